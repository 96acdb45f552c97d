"""A guest with 256 MiB of which most is free moves between two hosts, beside xl's: time, pause, bytes.

xl wants a command that connects it with `xl migrate-receive` over there: busybox's nc does it here, in the
clear, as no one should at home. The pause is the longest gap between two answers to pings that are sent every
10 ms.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from bench.figures import Figure, median
from domus.client import Client
from domus.lab import disks, identity, record
from domus.lab.host import LabHost
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig, Nic
from domus.model.migration import MigrateRequest, Partner
from domus.model.places import TLS_PORT

GUEST = "bench-move"
ADDRESS = "10.77.0.100"
PORT = 4444

#: seconds between two moves
SETTLING_S = 3.0

XL_CONFIG = """
name = "{name}"
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


def migrating(
    hosts: tuple[LabHost, LabHost],
    runs: int,
    *,
    in_dom0: Callable[..., float],
    until_up: Callable[[Client, str], None],
    folder: Path,
) -> list[Figure]:
    """Ours goes to and fro, then xl's does; the first move of each warms up."""
    image = folder / "move.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    for host in hosts:
        target = disks.lend(host.name, image)
    client = hosts[0].client()
    config = DomainConfig(
        name=GUEST,
        memory_mib=256,
        kernel="/root/kernel",
        ramdisk="/root/initrd",
        cmdline=CMDLINE,
        disks=(Disk(vdev="xvda", target=target),),
        nics=(Nic(bridge="xenbr0"),),
    )
    client.finish(client.create(CreateRequest(config=config)))
    until_up(client, GUEST)
    ours = [_measured(hosts, number % 2, _our_move) for number in range(runs + 1)][1:]
    with hosts[(runs + 1) % 2].client() as there:
        there.finish(there.destroy(GUEST))
    xl_config = XL_CONFIG.format(name=GUEST, cmdline=CMDLINE, target=_device(hosts[0], target))
    hosts[0].put(xl_config.encode(), "/root/move.xl")
    in_dom0(hosts[0], "xl", "create", "-e", "/root/move.xl")
    until_up(client, GUEST)
    theirs = [_measured(hosts, number % 2, _xl_move(in_dom0)) for number in range(runs + 1)][1:]
    hosts[(runs + 1) % 2].run(["xl", "destroy", GUEST])
    client.close()
    return [
        _against(what, [each[place] for each in ours], [each[place] for each in theirs], aim, unit)
        for place, (what, aim, unit) in enumerate(
            (
                ("move of 256 MiB, against xl migrate", 0.9, "s"),
                ("its pause, seen by pings", 0.7, "s"),
                ("bytes sent", 0.5, "MiB"),
            )
        )
    ]


def _measured(
    hosts: tuple[LabHost, LabHost], here: int, move: Callable[[LabHost, LabHost], float]
) -> tuple[float, float, float]:
    """Seconds, seconds of the pause, MiB in the network."""
    source, target = hosts[here], hosts[1 - here]
    time.sleep(SETTLING_S)
    watch = f"ping -D -i 0.01 {ADDRESS} > /root/pings 2>&1 & echo $!"
    pings = target.run(["sh", "-c", watch]).stdout.strip()
    before = _sent(source)
    seconds = move(source, target)
    sent = _sent(source) - before
    time.sleep(SETTLING_S)
    target.run(["kill", "-INT", pings])
    times = [float(each) for each in _REPLY.findall(target.run(["cat", "/root/pings"]).stdout)]
    pause = max(later - earlier for earlier, later in pairwise(times))
    return seconds, pause, sent / (1 << 20)


def _our_move(source: LabHost, target: LabHost) -> float:
    known = record.read(target.name)
    partner = Partner(
        name=target.name, address=identity.address(known.number), port=TLS_PORT, server_name=target.name
    )
    with source.client() as client:
        done = client.finish(client.migration.migrate(GUEST, MigrateRequest(to=partner)))
    assert done.ended is not None
    return done.ended - done.started


def _xl_move(in_dom0: Callable[..., float]) -> Callable[[LabHost, LabHost], float]:
    def move(source: LabHost, target: LabHost) -> float:
        address = identity.address(record.read(target.name).number)
        target.run(["sh", "-c", f"{RECEIVE} > /root/receive.log 2>&1 &"])
        return in_dom0(source, "xl", "migrate", "-s", "", GUEST, f"busybox nc {address} {PORT}")

    return move


def _sent(host: LabHost) -> int:
    return int(host.run(["cat", "/sys/class/net/eth1/statistics/tx_bytes"]).stdout)


def _device(host: LabHost, target: str) -> str:
    """The device of a LUN."""
    serial = target.removeprefix("lun:")
    found = host.run(["sh", "-c", f"grep -l {serial} /sys/block/sd*/device/vpd_pg80"]).stdout
    return f"/dev/{found.split('/')[3]}"


def _against(what: str, ours: list[float], theirs: list[float], aim: float, unit: str) -> Figure:
    mine, other = median(ours), median(theirs)
    return Figure(what, mine / other, aim, "x", f"ours {mine:.2f} {unit}, xl {other:.2f} {unit}")


def main() -> None:
    """This one alone, between two hosts of its own."""
    import os

    from bench.__main__ import in_dom0, until_up
    from domus.lab import guest

    with tempfile.TemporaryDirectory(prefix="domus-bench-") as folder:
        os.environ["DOMUS_LAB"] = folder
        hosts = LabHost("bench"), LabHost("bench2")
        try:
            files = guest.make(Path(folder) / "guest")
            for host in hosts:
                host.up()
                for name in ("kernel", "initrd"):
                    host.put((files / name).read_bytes(), f"/root/{name}")
            for each in migrating(hosts, 3, in_dom0=in_dom0, until_up=until_up, folder=Path(folder)):
                print(each)
        finally:
            for host in hosts:
                host.remove()


if __name__ == "__main__":
    main()
