"""What tests of moves share: two hosts, and a guest that counts on a disk which both have.

The guest writes its count into a LUN: number N into sector N, which must be empty until then; else a second
copy of it runs, and says so in sector 0. Sectors without a gap and without a repeat are what "exactly once"
means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from domus.lab import disks, identity, record
from domus.model.config import Disk, DomainConfig, Nic
from domus.model.errors import DomusError, Unreachable
from domus.model.migration import MigrateRequest, Partner, Stage
from domus.model.operation import Operation
from domus.model.places import TLS_PORT
from tests.domains.guests import create, eventually, kill_xend, look, take_all_away, typed, wait_until_up

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

SECTOR = 512
SECTORS = 65536

#: bytes of the disk that are looked at together
_BLOCK = 1 << 20

#: the guest's part: count, and write each number into its own sector, past every cache
COUNT = (
    "(i=0; while :; do i=$((i+1)); "
    "dd if=/dev/xvda bs=512 skip=$i count=1 iflag=direct 2>/dev/null | grep -q '[0-9]' && "
    "{ printf '%-511s\\n' twice | dd of=/dev/xvda bs=512 count=1 oflag=direct conv=notrunc; break; }; "
    "printf '%-511d\\n' $i | "
    "dd of=/dev/xvda bs=512 seek=$i count=1 oflag=direct conv=notrunc 2>/dev/null || break; "
    "sleep 0.1; done) & "
    "echo counts"
)

#: the guest writes 10 MiB of its memory anew, again and again, which no packer makes smaller
BUSY = (
    "(while :; do dd if=/dev/urandom of=/busy bs=64k count=160 conv=notrunc 2>/dev/null; done) & echo is busy"
)

#: appended to xend's own module in a lab host: when a move has come to a stage on disk, or is "held", a
#: shell's line is run, before anything else happens; $PPID is xend
ACCIDENTS = b"""
import os as _os
_write = Moves._write
async def _write_and_suffer(self, move):
    move = await _write(self, move)
    try:
        with open("/run/accident") as file:
            stage, line = file.read().split(None, 1)
        if stage == ("held" if move.held else move.stage):
            _os.rename("/run/accident", "/run/suffered")
            _os.system(line)
    except FileNotFoundError:
        pass
    return move
Moves._write = _write_and_suffer
"""
MOVES_MODULE = "/usr/lib/python3/dist-packages/domus/domains/migration/moves.py"


class Pair:
    """Two hosts, and a guest that is on one of them."""

    def __init__(self, hosts: tuple[LabHost, LabHost], image: Path, config: DomainConfig) -> None:
        self.hosts, self.image, self.config = hosts, image, config
        self.clean: dict[str, str] = {}
        self.manner: dict[str, object] = {}  #: what every request of a move says

    @property
    def name(self) -> str:
        return self.config.name

    def request(self, to: LabHost, **fields: object) -> MigrateRequest:
        known = record.read(to.name)
        partner = Partner(
            name=to.name, address=identity.address(known.number), port=TLS_PORT, server_name=to.name
        )
        return replace(MigrateRequest(to=partner), **{**self.manner, **fields})

    def other(self, host: LabHost) -> LabHost:
        return self.hosts[host is self.hosts[0]]

    def owners(self) -> list[LabHost]:
        """The hosts on which the guest can run; on one without power nothing does."""
        found = []
        for host in self.hosts:
            if not host.running:
                continue
            with host.client() as client, suppress(DomusError):
                info = client.domain(self.name)
                if info.domid is not None and not (info.paused or info.shutdown or info.dying):
                    found.append(host)
        return found

    def counted(self) -> int:
        """How far the guest has come; each number is in its sector, once, and nothing follows the last."""
        number, ended = 0, False
        with self.image.open("rb") as file:
            said = file.read(SECTOR)
            assert not said.strip(b"\0"), f"two copies ran: {said[:9]!r}"
            while block := file.read(_BLOCK):
                if ended or not block.strip(b"\0"):
                    assert not block.strip(b"\0"), "something follows the last number"
                    ended = True
                    continue
                for place in range(0, len(block), SECTOR):
                    sector = block[place : place + SECTOR].strip(b"\0 \n")
                    if sector and not ended:
                        number += 1
                        assert int(sector) == number, "a gap or a repeat"
                    else:
                        ended = True
                        assert not sector, f"a gap behind {number}"
        return number

    def runs_only_on(self, host: LabHost) -> None:
        """The guest goes on there, and nothing of it is left on the other host."""
        eventually(lambda: self.owners() == [host], within=240)
        before = self.counted()
        eventually(lambda: self.counted() > before)
        other = self.other(host)
        eventually(lambda: look(other) == self.clean[other.name])

    def lend_again(self, host: LabHost) -> None:
        """A host that was off has the disk again."""
        disks.lend(host.name, self.image)
        self.clean[host.name] = look(host)

    def both_settled(self) -> None:
        """Neither host waits for anything."""
        for host in self.hosts:
            eventually(lambda: _all_settled(host), within=240)  # noqa: B023 - called at once


@contextmanager
def a_pair(hosts: tuple[LabHost, LabHost], files: tuple[Path, Path], folder: Path) -> Iterator[Pair]:
    """Two hosts with a LUN and what a guest starts from; the guest is not there yet: see `started`."""
    image = folder / "shared.img"
    with image.open("wb") as file:
        file.truncate(SECTORS * SECTOR)
    target = {disks.lend(host.name, image) for host in hosts}.pop()
    kernel, ramdisk = (f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)
    with hosts[0].client() as client:
        for path in files:
            client.put_blob(path)
    pair = Pair(
        hosts,
        image,
        DomainConfig(
            name="guest",
            memory_mib=96,
            kernel=kernel,
            ramdisk=ramdisk,
            cmdline="console=hvc0 quiet name=guest ip=10.77.0.100::10.77.0.1:255.255.255.0:guest:eth0:off",
            disks=(Disk(vdev="xvda", target=target),),
            nics=(Nic(bridge="xenbr0"),),
        ),
    )
    pair.clean = {host.name: look(host) for host in hosts}
    yield pair
    for host in hosts:
        with suppress(Unreachable), host.client() as client:
            take_all_away(client)
        with suppress(DomusError):
            disks.take_back(host.name, image)


def started(pair: Pair, **fields: object) -> LabHost:
    """The guest runs and counts on the first host."""
    host = pair.hosts[0]
    with host.client() as client:
        create(client, replace(pair.config, **fields))
        wait_until_up(client, pair.name)
        typed(client, pair.name, COUNT, "counts")
    eventually(lambda: pair.counted() > 3)
    return host


def migrated(pair: Pair, here: LabHost, **fields: object) -> LabHost:
    """Move the guest to the other host, which is returned."""
    there = pair.other(here)
    with here.client() as client:
        client.finish(client.migration.migrate(pair.name, pair.request(there, **fields)))
    return there


def begun(pair: Pair, client: Client, there: LabHost, step: str, **fields: object) -> Operation:
    """A move that has come to this step."""
    operation = client.migration.migrate(pair.name, pair.request(there, **fields))
    for now in client.follow(operation):
        if step in now.step:
            return now
        assert not now.state.final, f"it never came to {step!r}: {now}"
    raise AssertionError(step)


def make_armable(host: LabHost) -> None:
    """`arm` works on this host's xend from now on."""
    if not host.run(["grep", "-c", "_write_and_suffer", MOVES_MODULE], check=False).stdout.strip("0\n"):
        host.run(["sh", "-c", f"cat >> {MOVES_MODULE}"], stdin=ACCIDENTS)
        kill_xend(host)


def on_a_small_disk(host: LabHost) -> None:
    """What xend remembers is on a disk with 3 MiB to spare, which can be filled without harm to dom0."""
    lines = (
        "mountpoint -q /var/lib/domus && exit",
        "size=$(du -sk /var/lib/domus | cut -f1); mkdir -p /mnt/small",
        "mount -t tmpfs -o size=$((size + 3072))k small /mnt/small",
        "cp -a /var/lib/domus/. /mnt/small && mount --bind /mnt/small /var/lib/domus",
    )
    host.run(["sh", "-c", "kill -STOP $(cat /run/domus/xend.pid); " + "; ".join(lines)])
    kill_xend(host)


def arm(host: LabHost, stage: Stage | Literal["held"], line: str) -> None:
    """The host runs this line of shell when a move has come to this stage, or its domain is held."""
    host.run(["rm", "-f", "/run/suffered"])
    host.put(f"{stage} {line}".encode(), "/run/accident")


def has_suffered(host: LabHost) -> bool:
    """What it was armed with has happened."""
    return host.run(["test", "-e", "/run/suffered"], check=False).status == 0


def disarm(host: LabHost) -> None:
    """Nothing happens any more."""
    host.run(["rm", "-f", "/run/accident", "/run/suffered"])


def _all_settled(host: LabHost) -> bool:
    try:
        with host.client() as client:
            return all(move.settled for move in client.migration.list())
    except Unreachable:
        return False  # the next xend is not there yet
