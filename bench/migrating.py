"""A guest with 256 MiB, of which most is free, moves between two hosts, beside xl's: time, pause, bytes.

On Debian's own Xen it is a PVH guest, for `xl migrate` moves a PV guest only while it runs, which takes a Xen
with shadow paging: that is measured on hosts with the lab's full hypervisor.

xl wants a command that connects it with `xl migrate-receive` over there: busybox's nc does it here, in the
clear, as no one should at home. The pause is the longest gap between two answers to pings that are sent every
10 ms.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from bench.figures import Figure, against_xl
from bench.hosts import KERNEL, NAME, RAMDISK, in_dom0, running, seconds, small_guest, until_up
from domus.lab import disks, hypervisor, identity, image, record
from domus.lab.host import LabHost
from domus.lab.record import Hypervisor, Shape, Suite
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig, GuestType, Nic
from domus.model.errors import ProgramFailed
from domus.model.migration import MigrateRequest, Partner
from domus.model.places import TLS_PORT

GUEST = "bench-move"
ADDRESS = "10.77.0.100"
PORT = 4444

#: seconds between two moves
SETTLING_S = 3.0

#: xl sends all pages, free ones too: on a busy machine without KVM five minutes were not enough for 256 MiB
_XL_WITHIN_S = 1800

XL_CONFIG = """
name = "{name}"
type = "{guest_type}"
memory = 256
kernel = "/root/kernel"
ramdisk = "/root/initrd"
extra = "{cmdline}"
disk = ["format=raw,vdev=xvda,access=rw,target={target}"]
vif = ["bridge=xenbr0"]
"""
CMDLINE = f"console=hvc0 quiet ip={ADDRESS}::10.77.0.1:255.255.255.0:guest:eth0:off"

#: the connection that `xl migrate` is given; it ends when the other side does
RECEIVE = f"busybox nc -l -p {PORT} -e xl migrate-receive"

_REPLY = re.compile(r"^\[([0-9.]+)\] 64 bytes", re.M)

Hosts = tuple[LabHost, ...]
#: seconds that a move took, seconds of its pause, MiB that went over the network
Measured = tuple[float, float, float]


#: hosts on which a PV guest moves while it runs; Debian 12 has Xen's source where the mirror lacks newer ones
FULL = Shape(suite=Suite.BOOKWORM, hypervisor=Hypervisor.FULL)


def migrating(runs: int) -> list[Figure]:
    """A PVH guest, on Debian's own Xen."""
    return _migrating(runs, GuestType.PVH, None)


def migrating_pv(runs: int) -> list[Figure]:
    """A PV guest, on a Xen that is built for it."""
    try:
        hypervisor.wanted(image.wanted(suite=FULL.suite))
    except ProgramFailed as error:
        print(f"live moves of PV guests are not measured: {error.what}", file=sys.stderr)
        return []
    return _migrating(runs, GuestType.PV, FULL)


def _migrating(runs: int, guest_type: GuestType, shape: Shape | None) -> list[Figure]:
    """Ours goes to and fro, then xl's does; the first move of each warms up."""
    lun = Path(os.environ["DOMUS_LAB"]) / "move.img"
    with lun.open("wb") as file:
        file.truncate(16 << 20)
    with running(NAME, f"{NAME}2", shape=shape) as hosts:
        for host in hosts:
            small_guest(host)
            target = disks.lend(host.name, lun)
        ours = _ours(hosts, target, runs, guest_type)
        theirs = _xls(hosts, target, runs, guest_type)
    rows = (
        (f"live move of a {guest_type.upper()} guest of 256 MiB, against xl", 0.9, "s"),
        ("its pause, seen by pings, against xl's", 0.7, "s"),
        ("bytes sent, against xl migrate", 0.5, "MiB"),
    )
    return [
        against_xl(what, [(ours[run][place], theirs[run][place]) for run in range(runs + 1)], aim, unit)
        for place, (what, aim, unit) in enumerate(rows)
    ]


def _ours(hosts: Hosts, target: str, runs: int, guest_type: GuestType) -> list[Measured]:
    config = DomainConfig(
        name=GUEST,
        guest_type=guest_type,
        memory_mib=256,
        kernel=KERNEL,
        ramdisk=RAMDISK,
        cmdline=CMDLINE,
        disks=(Disk(vdev="xvda", target=target),),
        nics=(Nic(bridge="xenbr0"),),
    )
    with hosts[0].client() as client:
        client.finish(client.create(CreateRequest(config=config)))
        until_up(client, GUEST)
    moves = [_measured(hosts, number % 2, _our_move) for number in range(runs + 1)]
    with hosts[(runs + 1) % 2].client() as client:
        client.finish(client.destroy(GUEST))
    return moves


def _xls(hosts: Hosts, target: str, runs: int, guest_type: GuestType) -> list[Measured]:
    device = _device(hosts[0], target)
    config = XL_CONFIG.format(name=GUEST, guest_type=guest_type, cmdline=CMDLINE, target=device)
    hosts[0].put(config.encode(), "/root/move.xl")
    in_dom0(hosts[0], "xl", "create", "-e", "/root/move.xl")
    with hosts[0].client() as client:
        until_up(client, GUEST)
    return [_measured(hosts, number % 2, _xl_move) for number in range(runs + 1)]


def _measured(hosts: Hosts, here: int, move: Callable[[LabHost, LabHost], float]) -> Measured:
    source, target = hosts[here], hosts[1 - here]
    time.sleep(SETTLING_S)
    watch = f"ping -D -i 0.01 {ADDRESS} > /root/pings 2>&1 & echo $!"
    pings = target.run(["sh", "-c", watch]).stdout.strip()
    before = _sent(source)
    taken = move(source, target)
    sent = _sent(source) - before
    time.sleep(SETTLING_S)
    target.run(["kill", "-INT", pings])
    times = [float(each) for each in _REPLY.findall(target.run(["cat", "/root/pings"]).stdout)]
    pause = max(later - earlier for earlier, later in pairwise(times))
    return taken, pause, sent / (1 << 20)


def _our_move(source: LabHost, target: LabHost) -> float:
    address = identity.address(record.read(target.name).number)
    partner = Partner(name=target.name, address=address, port=TLS_PORT, server_name=target.name)
    with source.client() as client:
        return seconds(client.finish(client.migration.migrate(GUEST, MigrateRequest(to=partner, live=True))))


def _xl_move(source: LabHost, target: LabHost) -> float:
    address = identity.address(record.read(target.name).number)
    target.run(["sh", "-c", f"{RECEIVE} > /root/receive.log 2>&1 &"])
    return in_dom0(
        source, "xl", "migrate", "-s", "", GUEST, f"busybox nc {address} {PORT}", within=_XL_WITHIN_S
    )


def _sent(host: LabHost) -> int:
    return int(host.run(["cat", "/sys/class/net/eth1/statistics/tx_bytes"]).stdout)


def _device(host: LabHost, target: str) -> str:
    """The device of a LUN."""
    serial = target.removeprefix("lun:")
    found = host.run(["sh", "-c", f"grep -l {serial} /sys/block/sd*/device/vpd_pg80"]).stdout
    return f"/dev/{found.split('/')[3]}"
