"""Domains that move between two real hosts: the guest counts on, on exactly one of them, whatever happens.

The guest writes its count into a LUN that both hosts have: number N into sector N, which must be empty until
then; else a second copy of it runs, and says so in sector 0. Sectors without a gap and
without a repeat are what "exactly once" means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.lab import disks, identity, impairments, record
from domus.model.config import Disk, DomainConfig, GuestType, Nic
from domus.model.errors import (
    AlreadyExists,
    Busy,
    Cancelled,
    Conflict,
    DomainNotFound,
    DomusError,
    NotFound,
    Unreachable,
)
from domus.model.managed import AutostartRequest
from domus.model.migration import MigrateRequest, Partner, Side, Stage
from domus.model.operation import Operation
from domus.model.places import TLS_PORT
from tests.domains.guests import boot_id, create, eventually, kill_xend, look, typed, wait_until_up

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

SECTOR = 512
SECTORS = 32768

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

#: appended to xend's own module in a lab host: it dies, or stops, when a move has come to a stage on disk
ACCIDENTS = b"""
import os as _os
_write = Moves._write
async def _write_and_die(self, move):
    move = await _write(self, move)
    try:
        with open("/run/accident") as file:
            stage, number = file.read().split()
        if move.stage == stage:
            _os.unlink("/run/accident")
            _os.kill(_os.getpid(), int(number))
    except FileNotFoundError:
        pass
    return move
Moves._write = _write_and_die
"""
MOVES_MODULE = "/usr/lib/python3/dist-packages/domus/domains/migration/moves.py"


class Pair:
    """Two hosts, and a guest that is on one of them."""

    def __init__(self, hosts: tuple[LabHost, LabHost], image: Path, config: DomainConfig) -> None:
        self.hosts, self.image, self.config = hosts, image, config
        self.clean: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self.config.name

    def request(self, to: LabHost, **fields: object) -> MigrateRequest:
        known = record.read(to.name)
        partner = Partner(
            name=to.name, address=identity.address(known.number), port=TLS_PORT, server_name=to.name
        )
        return replace(MigrateRequest(to=partner), **fields)

    def other(self, host: LabHost) -> LabHost:
        return self.hosts[host is self.hosts[0]]

    def owners(self) -> list[LabHost]:
        """The hosts on which the guest can run."""
        found = []
        for host in self.hosts:
            with host.client() as client, suppress(DomusError):
                info = client.domain(self.name)
                if info.domid is not None and not (info.paused or info.shutdown or info.dying):
                    found.append(host)
        return found

    def counted(self) -> int:
        """How far the guest has come; each number is in its sector, once, and nothing follows the last."""
        with self.image.open("rb") as file:
            said, *sectors = (file.read(SECTOR) for _ in range(SECTORS))
        assert not said.strip(b"\0"), f"two copies ran: {said[:9]!r}"
        numbers = [int(sector) for sector in sectors if sector.strip(b"\0 \n")]
        assert numbers == list(range(1, len(numbers) + 1)), "a gap or a repeat"
        assert all(not sector.strip(b"\0") for sector in sectors[len(numbers) :])
        return len(numbers)

    def runs_only_on(self, host: LabHost) -> None:
        """The guest goes on there, and nothing of it is left on the other host."""
        eventually(lambda: self.owners() == [host], within=240)
        before = self.counted()
        eventually(lambda: self.counted() > before)
        other = self.other(host)
        eventually(lambda: look(other) == self.clean[other.name])


@pytest.fixture(scope="module")
def hosts(new_host: Callable[[], LabHost]) -> tuple[LabHost, LabHost]:
    return new_host(), new_host()


@pytest.fixture
def pair(hosts: tuple[LabHost, LabHost], small_guest: tuple[Path, Path], tmp_path: Path) -> Iterator[Pair]:
    """The guest is not there yet: see `started`."""
    image = tmp_path / "shared.img"
    image.write_bytes(bytes(SECTORS * SECTOR))
    target = {disks.lend(host.name, image) for host in hosts}.pop()
    kernel, ramdisk = (f"sha256:{_digest(path)}" for path in small_guest)
    with hosts[0].client() as client:
        for path in small_guest:
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
        with host.client() as client:
            for info in client.domains():
                if info.domid:
                    client.finish(client.destroy(info.name))
        disks.take_back(host.name, image)


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


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


@pytest.mark.parametrize(
    ("guest_type", "live"),
    [(GuestType.PV, False), pytest.param(GuestType.PVH, True, marks=pytest.mark.soak)],
)
def test_a_guest_goes_there_and_back_and_counts_on(pair: Pair, guest_type: GuestType, live: bool) -> None:
    first = started(pair, guest_type=guest_type)
    with first.client() as client:
        config, boot = client.config(pair.name), boot_id(client, pair.name)
        report = client.migration.check(pair.name, pair.request(pair.hosts[1], live=True))
    assert report.problems == ()
    assert bool(report.remarks) == (guest_type is GuestType.PV), (
        "no shadow paging here: PV does not move live"
    )
    second = migrated(pair, first, live=live)
    pair.runs_only_on(second)
    with second.client() as client:
        assert client.config(pair.name) == config
        assert boot_id(client, pair.name) == boot
        assert client.migration.list()[-1].stage is Stage.TAKEN
        with pytest.raises(NotFound):
            client.migration.decide("nobody", Side.HERE)
        with pytest.raises(Conflict, match="waits for nobody"):
            client.migration.decide(pair.name, Side.THERE)
    assert "10.77.0.100" in first.run(["ping", "-c", "1", "-W", "10", "10.77.0.100"]).stdout
    pair.runs_only_on(migrated(pair, second, live=live))


def test_everything_that_is_in_the_way_is_told_at_once(pair: Pair) -> None:
    here, there = pair.hosts
    here.run(["truncate", "-s", "4M", "/root/local.img"])
    here.run(["ip", "link", "add", "onlyhere", "type", "bridge"])
    config = replace(
        pair.config,
        disks=(*pair.config.disks, Disk(vdev="xvdb", target="/root/local.img")),
        nics=(Nic(bridge="onlyhere"),),
    )
    with here.client() as client, there.client() as other:
        create(client, config)
        known = other.migration.list()
        request = pair.request(there)
        report = client.migration.check(pair.name, request)
        told = [problem.title for problem in report.problems]
        assert any("xvdb is not shared: a file on" in each for each in told), told
        assert any("onlyhere" in each for each in told), told
        assert len(told) == 2, told
        with pytest.raises(Conflict, match="2 things are in the way"):
            client.finish(client.migration.migrate(pair.name, request))
        assert not client.domain(pair.name).paused
        assert other.migration.list() == known


def test_a_move_that_is_cancelled_leaves_the_guest_where_it_was(pair: Pair) -> None:
    here, there = started(pair), pair.hosts[1]
    with here.client() as client:
        operation = begun(pair, client, there, "MiB/s", bandwidth=200_000)
        with pytest.raises(Busy, match="it is moving to"):
            client.pause(pair.name)
        with there.client() as other:
            assert f"{pair.name}--incoming" in [info.name for info in other.domains()]
            with pytest.raises((Busy, AlreadyExists)):
                create(other, replace(pair.config, disks=(), nics=()))
        client.migration.cancel(pair.name)
        with pytest.raises(Cancelled):
            client.finish(operation)
        with pytest.raises(NotFound):
            client.migration.cancel(pair.name)
    pair.runs_only_on(here)


@pytest.mark.soak
def test_a_network_that_delays_loses_or_breaks_never_leaves_the_guest_twice_or_nowhere(pair: Pair) -> None:
    here, there = started(pair), pair.hosts[1]
    try:
        for host in pair.hosts:
            impairments.impair(host.name, delay_ms=40.0, jitter_ms=20.0, loss_percent=1.0)
        here, there = migrated(pair, here), here
        pair.runs_only_on(here)
        for host in pair.hosts:
            impairments.heal(host.name)
        # the cable is pulled in the middle of its memory: nobody is told, the connection is half open
        with here.client() as client:
            operation = begun(pair, client, there, "MiB/s", bandwidth=200_000)
            impairments.cut(there.name)
            with pytest.raises(DomusError):
                client.finish(operation)
        assert pair.owners() == [here]
    finally:
        for host in pair.hosts:
            impairments.heal(host.name)
    pair.runs_only_on(here)


def arm(host: LabHost, stage: Stage, signal: int) -> None:
    """The host's xend gets this signal when a move has come to this stage."""
    host.put(f"{stage} {signal}".encode(), "/run/accident")


@pytest.fixture
def accidents(pair: Pair) -> Pair:
    """Both hosts' xends can be armed."""
    for host in pair.hosts:
        if not host.run(["grep", "-c", "_write_and_die", MOVES_MODULE], check=False).stdout.strip("0\n"):
            host.run(["sh", "-c", f"cat >> {MOVES_MODULE}"], stdin=ACCIDENTS)
            kill_xend(host)
    return pair


#: which side dies at which stage, and where the guest is afterwards
DEATHS = [
    ("sender", Stage.SENDING, "sender"),
    ("receiver", Stage.RECEIVING, "sender"),
    ("receiver", Stage.READY, "sender"),
    ("sender", Stage.HANDING_OVER, "receiver"),
    ("receiver", Stage.TAKEN, "receiver"),
    ("sender", Stage.SENT, "receiver"),
]


@pytest.mark.soak
def test_whoever_dies_at_whatever_stage_the_guest_runs_on_exactly_one_host(accidents: Pair) -> None:
    pair = accidents
    here = started(pair)
    for who, stage, owner in DEATHS:
        there = pair.other(here)
        arm(here if who == "sender" else there, stage, 9)
        with here.client() as client:
            operation = client.migration.migrate(pair.name, pair.request(there))
            with suppress(DomusError):
                client.finish(operation)
        here = here if owner == "sender" else there
        pair.runs_only_on(here)
        for host in pair.hosts:
            host.run(["rm", "-f", "/run/accident"])
            eventually(lambda: _all_settled(host), within=240)  # noqa: B023 - called at once


def _all_settled(host: LabHost) -> bool:
    try:
        with host.client() as client:
            return all(move.settled for move in client.migration.list())
    except Unreachable:
        return False  # the next xend is not there yet


@pytest.mark.soak
def test_hosts_that_cannot_talk_leave_the_guest_paused_until_somebody_decides(accidents: Pair) -> None:
    pair = accidents
    here, there = started(pair), pair.hosts[1]
    arm(there, Stage.READY, 19)  # it stops before it has answered: the sender takes its guest back
    with here.client() as client:
        operation = client.migration.migrate(pair.name, pair.request(there))
        with pytest.raises(DomusError):
            client.finish(operation)
    assert there.run(["sh", "-c", "kill -CONT $(cat /run/domus/xend.pid)"]).status == 0
    pair.runs_only_on(here)
    # the wire is cut after the sender's yes was written, and before it was said
    arm(here, Stage.HANDING_OVER, 19)
    with here.client() as client:
        client.migration.migrate(pair.name, pair.request(there))
    eventually(
        lambda: "T" in here.run(["sh", "-c", "cut -d' ' -f3 /proc/$(cat /run/domus/xend.pid)/stat"]).stdout
    )
    here.run(["ip", "link", "set", "eth1", "down"])
    here.run(["sh", "-c", "kill -CONT $(cat /run/domus/xend.pid)"])
    with here.client() as client:
        eventually(lambda: bool(client.migration.list()[-1].told), within=200)
        told = client.migration.list()[-1].told
        assert "stays paused here" in told
        assert pair.owners() == []
        count = pair.counted()
        time.sleep(3)
        assert pair.counted() == count
        client.migration.decide(pair.name, Side.HERE)
        eventually(lambda: pair.owners() == [here])
        here.run(["ip", "link", "set", "eth1", "up"])
    pair.runs_only_on(here)


def test_a_managed_domain_moves_with_all_that_is_kept_of_it(pair: Pair) -> None:
    first = pair.hosts[0]
    with first.client() as client:
        client.managed.define(replace(pair.config, disks=(), nics=()))
        client.managed.set_autostart(pair.name, AutostartRequest(order=7))
        client.finish(client.managed.start(pair.name))
        wait_until_up(client, pair.name)
        history = client.managed.history(pair.name)
    second = migrated(pair, first)
    with second.client() as client, first.client() as old:
        kept = client.managed.get(pair.name)
        assert kept.config.start_order == 7
        assert client.managed.history(pair.name) == history
        assert client.domain(pair.name).managed
        with pytest.raises(DomainNotFound) as gone:
            old.domain(pair.name)
        assert gone.value.hint == f"it moved to {second.name}"
        client.finish(client.destroy(pair.name))
        client.managed.delete(pair.name)
        assert pair.name not in [info.name for info in old.domains()]
