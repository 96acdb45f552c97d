"""Domains that move between two real hosts: the guest counts on, with its disks, cards and all that is kept.

What accidents do to a move is in test_exactly_once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from msgspec.structs import replace

from domus.cli.events import of_domain, until_moved
from domus.lab import impairments
from domus.model.config import Disk, DiskFormat, GuestType, Nic
from domus.model.errors import (
    AlreadyExists,
    Busy,
    Cancelled,
    Conflict,
    DomainNotFound,
    DomusError,
    NotFound,
)
from domus.model.managed import AutostartRequest
from domus.model.migration import Copying, Side, Stage
from tests.domains.guests import boot_id, create, eventually, kill_xend, look, typed, wait_until_up
from tests.domains.moving import (
    BUSY,
    COUNT,
    Pair,
    a_pair,
    arm,
    begun,
    has_suffered,
    make_armable,
    migrated,
    started,
)

if TYPE_CHECKING:
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab


@pytest.fixture
def pair(hosts: tuple[LabHost, LabHost], small_guest: tuple[Path, Path], tmp_path: Path) -> Iterator[Pair]:
    """The guest is not there yet: see `started`."""
    with a_pair(hosts, small_guest, tmp_path) as pair:
        yield pair


#: what is said of the guest's address in the LAN
_LISTEN = (
    "tcpdump -lne -i eth1 ether src 00:16:3e:77:00:01 and not tcp and not icmp > /root/heard 2> /dev/null"
)


@pytest.mark.parametrize(
    ("guest_type", "live"),
    [
        (GuestType.PV, False),
        pytest.param(GuestType.PVH, True, marks=pytest.mark.soak),
        pytest.param(GuestType.HVM, True, marks=pytest.mark.soak),
    ],
)
def test_a_guest_goes_there_and_back_and_counts_on(pair: Pair, guest_type: GuestType, live: bool) -> None:
    addresses = ("10.77.0.100", "fd77::100")
    card = replace(pair.config.nics[0], mac="00:16:3e:77:00:01", ips=addresses)
    first = started(pair, guest_type=guest_type, nics=(card,))
    with first.client() as client:
        config, boot = client.config(pair.name), boot_id(client, pair.name)
        report = client.migration.check(pair.name, pair.request(pair.hosts[1], live=True))
    assert report.problems == ()
    assert bool(report.remarks) == (guest_type is GuestType.PV), (
        "no shadow paging here: PV does not move live"
    )
    listening = first.run(["sh", "-c", f"{_LISTEN} & echo $!"]).stdout.strip()
    second = migrated(pair, first, live=live)
    pair.runs_only_on(second)
    first.run(["kill", "-INT", listening])
    heard = first.run(["cat", "/root/heard"]).stdout
    for announced in ("Reverse Request", "10.77.0.100", "fd77::100"):
        assert announced in heard, f"what switches and neighbours heard: {heard}"
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


def _busy(pair: Pair) -> LabHost:
    """The guest counts, and changes its memory faster than it can be sent."""
    here = started(pair, guest_type=GuestType.PVH)
    with here.client() as client:
        typed(client, pair.name, BUSY, "is busy")
    return here


def _rounds(pair: Pair, here: LabHost, **fields: object) -> int:
    """Move the guest live; how many rounds of its memory were sent while it ran."""
    pair.runs_only_on(migrated(pair, here, live=True, **fields))
    with here.client() as client:
        move = client.migration.list()[-1]
    assert move.stage is Stage.SENT
    assert not move.held
    return move.rounds


@pytest.mark.soak
def test_a_live_move_makes_no_more_rounds_than_it_was_told(pair: Pair) -> None:
    here, there = _busy(pair), pair.hosts[1]
    assert _rounds(pair, here, max_iterations=1) == 1
    # after two rounds it is known how long the third one would take
    assert _rounds(pair, there, downtime_ms=3_600_000) == 2


#: nothing leaves the host until its xend is killed, with the guest paused: else the move might be over first
_KILL_WHEN_PAUSED: Final = (
    "ip link set eth1 down; (until xl list guest | grep -e --p--- > /run/held; do :; done; "
    "ip link set eth1 up; kill -9 $PPID) &"
)


@pytest.mark.soak
@pytest.mark.parametrize("what", ["xend is killed", "the move is cancelled", "the wire is cut"])
def test_a_guest_that_is_held_for_its_last_round_goes_on_when(pair: Pair, what: str) -> None:
    here, there = _busy(pair), pair.hosts[1]
    make_armable(here)
    slowly = {"live": True, "max_iterations": 1, "bandwidth": 2_000_000}
    with here.client() as client:
        if what == "xend is killed":
            arm(here, "held", _KILL_WHEN_PAUSED)
            with suppress(DomusError):
                client.finish(client.migration.migrate(pair.name, pair.request(there, **slowly)))
            eventually(lambda: has_suffered(here))
            assert "--p---" in here.run(["cat", "/run/held"]).stdout
        else:
            operation = begun(pair, client, there, "for which it is paused", **slowly)
            assert client.domain(pair.name).paused
            if what == "the move is cancelled":
                client.migration.cancel(pair.name)
            else:
                impairments.cut(there.name)
                eventually(lambda: pair.owners() == [here])
                assert not client.operation(operation.id).state.final, "before the other host is given up"
            with pytest.raises(Cancelled if what == "the move is cancelled" else DomusError):
                client.finish(operation)
            impairments.heal(there.name)
    pair.both_settled()
    pair.runs_only_on(here)


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
            eventually(lambda: f"{pair.name}--incoming" in [info.name for info in other.domains()])
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
        away = list(until_moved(of_domain(old.events(0, follow=False), kept.uuid)))[-1]
        assert away.detail["to"] == second.name, "who follows its events here is told where it went"
        client.finish(client.destroy(pair.name))
        client.managed.delete(pair.name)
        assert pair.name not in [info.name for info in old.domains()]


#: what a guest that counts has written on a disk of one host's
_COUNTED = "head -c 1M /srv/only-here.img | tr -d '\\0 ' | grep -v '^$' | sort -n"


def _numbers(host: LabHost) -> list[int]:
    return [int(line) for line in host.run(["sh", "-c", _COUNTED]).stdout.split()]


def _with_local_disk(pair: Pair) -> LabHost:
    """The guest counts on a disk that only the first host has, and that has 8 MiB of something in it."""
    here = pair.hosts[0]
    make = "cd /srv && truncate -s 32M only-here.img && head -c 8M /dev/urandom >> only-here.img"
    here.run(["sh", "-c", f"{make} && truncate -s 64M only-here.img"])
    with here.client() as client:
        create(client, replace(pair.config, disks=(Disk(vdev="xvda", target="/srv/only-here.img"),)))
        wait_until_up(client, pair.name)
        typed(client, pair.name, COUNT, "counts")
    eventually(lambda: len(_numbers(here)) > 3)
    return here


def test_a_disk_that_is_not_shared_comes_with_its_guest_and_goes_back_as_what_differs(pair: Pair) -> None:
    here = _with_local_disk(pair)
    there = pair.other(here)
    with here.client() as client:
        (copied,) = client.migration.check(pair.name, pair.request(there, copy_storage=Copying.WHOLE)).copied
        assert copied.fresh
    migrated(pair, here, copy_storage=Copying.WHOLE)
    counted = len(_numbers(there))
    eventually(lambda: len(_numbers(there)) > counted)
    with there.client() as client:
        report = client.migration.check(pair.name, pair.request(here, copy_storage=Copying.WHOLE))
        assert "exists here already" in report.problems[0].title
    migrated(pair, there, copy_storage=Copying.INCREMENTAL)
    with there.client() as client:
        move = client.migration.list()[-1]
        assert move.sent_bytes - move.memory_bytes < 8 << 20, "what was there already is not sent again"
    counted = len(_numbers(here))
    eventually(lambda: len(_numbers(here)) > counted)
    numbers = _numbers(here)
    assert numbers == list(range(1, len(numbers) + 1)), "a gap or a repeat"
    digest = "tail -c +33554433 /srv/only-here.img | sha256sum"
    assert len({host.run(["sh", "-c", digest]).stdout for host in pair.hosts}) == 1
    assert here.run(["ls", "/sys/kernel/tracing/instances"]).stdout == "", "nothing is traced any more"
    _without_local_disk(pair)


class _Form(NamedTuple):
    """A disk that is not shared, of some form."""

    name: str
    disk: Disk
    on_both: str  #: what makes, on each host, what must be there
    on_first: str  #: what makes the disk
    copying: Copying


_FORMS: Final = (
    _Form(
        "an image of a format of its own",
        Disk(vdev="xvda", target="/srv/own.qcow2", format=DiskFormat.QCOW2),
        "true",
        "qemu-img create -q -f qcow2 /srv/own.qcow2 64M",
        Copying.WHOLE,
    ),
    _Form(
        "an image that stands on another",
        Disk(vdev="xvda", target="/srv/top.qcow2", format=DiskFormat.QCOW2),
        "truncate -s 64M /srv/base.img; yes | head -c 4M | dd of=/srv/base.img seek=48M oflag=seek_bytes "
        "conv=notrunc status=none",
        "qemu-img create -q -f qcow2 -b /srv/base.img -F raw /srv/top.qcow2",
        Copying.INCREMENTAL,
    ),
    _Form(
        "a volume",
        Disk(vdev="xvda", target="/dev/moves/disk"),
        # no udev here: LVM makes its device nodes itself
        "printf 'activation { udev_sync=0\\n udev_rules=0\\n}\\n' > /etc/lvm/lvmlocal.conf; "
        "truncate -s 80M /srv/pv.img; vgcreate -q moves $(losetup -f --show /srv/pv.img); "
        "lvcreate -q -y -n disk -L 64M moves",
        "true",
        Copying.WHOLE,
    ),
)
_OFF: Final = "[ ! -e /dev/moves ] || { vgremove -q -y moves; losetup -D; }; rm -rf /srv/* /root/read"


def _read(host: LabHost, disk: Disk) -> list[int]:
    """What the guest has written on a disk that nobody uses."""
    host.run(["qemu-img", "convert", "-f", disk.format, "-O", "raw", disk.target or "", "/root/read"])
    text = host.run(["sh", "-c", "head -c 1M /root/read | tr -d '\\0 ' | grep -v '^$'"]).stdout
    return [int(line) for line in text.split()]


@pytest.mark.soak
@pytest.mark.parametrize("form", _FORMS, ids=lambda form: form.name)
def test_a_disk_that_is_not_shared_is_copied_when_it_is(pair: Pair, form: _Form) -> None:
    here, there = pair.hosts
    try:
        for host in pair.hosts:
            host.run(["sh", "-c", form.on_both])
        here.run(["sh", "-c", form.on_first])
        with here.client() as client:
            create(client, replace(pair.config, disks=(form.disk,)))
            wait_until_up(client, pair.name)
            typed(client, pair.name, COUNT, "counts")
        migrated(pair, here, copy_storage=form.copying)
        with there.client() as client:
            typed(client, pair.name, "sleep 2; echo goes $((1+1))", "goes 2")
            client.finish(client.destroy(pair.name))
        numbers, before = _read(there, form.disk), _read(here, form.disk)
        assert numbers == list(range(1, len(numbers) + 1)), "a gap or a repeat"
        assert before == numbers[: len(before)]
        assert len(numbers) > len(before) > 0
    finally:
        with suppress(DomusError), here.client() as client:
            client.finish(client.destroy(pair.name))
        for host in pair.hosts:
            host.run(["sh", "-c", _OFF])


def test_a_copy_that_is_cut_off_leaves_nothing_there(pair: Pair) -> None:
    here = _with_local_disk(pair)
    there = pair.other(here)
    with here.client() as client:
        request = {"copy_storage": Copying.WHOLE, "bandwidth": 500_000}
        operation = begun(pair, client, there, "copying its disks", **request)
        kill_xend(there)
        with pytest.raises(DomusError):
            client.finish(operation)
        assert not client.domain(pair.name).paused
    eventually(lambda: look(there) == pair.clean[there.name])
    assert there.run(["sh", "-c", "ls -A /srv"]).stdout == ""
    counted = len(_numbers(here))
    eventually(lambda: len(_numbers(here)) > counted)
    _without_local_disk(pair)


def _without_local_disk(pair: Pair) -> None:
    for host in pair.hosts:
        with host.client() as client, suppress(NotFound):
            client.finish(client.destroy(pair.name))
        host.run(["rm", "-f", "/srv/only-here.img"])
