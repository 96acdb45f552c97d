"""Whatever happens at whatever step of a move, on either side: the guest runs on exactly one host.

It counts on a disk that both hosts have, so that it would tell if it ran twice, or had lost a write. One
guest of each kind of move goes through all of it; the order of the accidents is the seed's.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from domus.lab import identity, record
from domus.model.config import Disk, GuestType
from domus.model.errors import Cancelled, Conflict, DomusError, NotFound, WrongState
from domus.model.migration import Copying, Side, Stage
from tests.domains.guests import eventually
from tests.domains.moving import (
    Pair,
    a_pair,
    arm,
    disarm,
    has_suffered,
    make_armable,
    on_a_small_disk,
    started,
)

if TYPE_CHECKING:
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

SEED: Final = int(os.environ.get("DOMUS_SOAK_SEED", "1"))

SENDER: Final = (Stage.SENDING, Stage.HANDING_OVER, Stage.SENT)
RECEIVER: Final = (Stage.RECEIVING, Stage.READY, Stage.TAKEN)

#: what is done in dom0; {peer} is the other host's address
KILLED: Final = "kill -9 $PPID"
STALLED: Final = "(sleep 8; kill -CONT $PPID) & kill -STOP $PPID"
DROPPED: Final = "ss -K dst {peer} > /dev/null"
HALF_OPEN: Final = "(sleep 12; ip link set eth1 up) & ip link set eth1 down"
SLOW: Final = "tc qdisc add dev eth1 root netem delay 200ms loss 5%; (sleep 20; tc qdisc del dev eth1 root) &"


class Accident(NamedTuple):
    """Something that happens on one side when a move has come to a stage there."""

    name: str
    line: str
    stage: Stage
    owner: str = ""  #: "sender", "receiver"; "": one of them


def _accidents(name: str, line: str, owners: dict[Stage, str]) -> list[Accident]:
    return [Accident(name, line, stage, owners.get(stage, "")) for stage in (*SENDER, *RECEIVER)]


#: a xend that is killed takes back what was not handed over
_AFTER_KILL: Final = {
    Stage.SENDING: "sender",
    Stage.RECEIVING: "sender",
    Stage.READY: "sender",
    Stage.HANDING_OVER: "receiver",
    Stage.TAKEN: "receiver",
    Stage.SENT: "receiver",
}
_QUICK: Final = [
    *_accidents("killed", KILLED, _AFTER_KILL),
    *_accidents("dropped", DROPPED, {}),
]
_LONG: Final = [
    *_accidents("stalled", STALLED, {}),
    *_accidents("half open", HALF_OPEN, {}),
    *_accidents("slow", SLOW, dict.fromkeys((*SENDER, *RECEIVER), "receiver")),
]


class Kind(NamedTuple):
    """A way to move."""

    name: str
    guest_type: GuestType
    manner: dict[str, object]
    disks: tuple[Disk, ...] = ()  #: of the first host alone


#: where a disk that is not shared is
OWN: Final = "/srv/own.img"

_KINDS: Final = (
    Kind("suspended", GuestType.PV, {}),
    Kind("live", GuestType.PVH, {"live": True}),
    Kind(
        "live with a disk",
        GuestType.PVH,
        {"live": True, "copy_storage": Copying.WHOLE},
        (Disk(vdev="xvdb", target=OWN),),
    ),
)


def _shuffled(accidents: list[Accident]) -> list[Accident]:
    return random.Random(SEED).sample(accidents, len(accidents))


@pytest.fixture(scope="module")
def armable(new_host: Callable[[], LabHost]) -> tuple[LabHost, LabHost]:
    """Two hosts that can be armed."""
    hosts = new_host(), new_host()
    for host in hosts:
        make_armable(host)
    return hosts


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kind, id=kind.name, marks=[pytest.mark.soak] if kind.manner else []) for kind in _KINDS
    ],
)
def pair(
    request: pytest.FixtureRequest,
    armable: tuple[LabHost, LabHost],
    small_guest: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    """The guest is on one of both hosts, and moves in one manner."""
    kind: Kind = request.param
    with a_pair(armable, small_guest, tmp_path_factory.mktemp("shared")) as pair:
        pair.manner = kind.manner
        if kind.disks:
            pair.hosts[0].run(["sh", "-c", f"head -c 4M /dev/urandom > {OWN}"])
        started(pair, guest_type=kind.guest_type, disks=(*pair.config.disks, *kind.disks))
        yield pair


@pytest.fixture
def here(pair: Pair) -> Iterator[LabHost]:
    """The host that has the guest; a disk of its own is nowhere else, unless it has moved there."""
    owners = pair.owners()
    assert len(owners) == 1
    other = pair.other(owners[0])
    other.run(["rm", "-f", OWN])
    yield owners[0]
    for host in pair.hosts:
        disarm(host)
    if pair.owners() == owners:
        assert other.run(["ls", "-A", "/srv"]).stdout == ""


def _address(host: LabHost) -> str:
    return identity.address(record.read(host.name).number)


def _armed(pair: Pair, here: LabHost, stage: Stage, line: str) -> LabHost:
    """The host of a stage, once it is armed."""
    host = here if stage in SENDER else pair.other(here)
    arm(host, stage, line.format(peer=_address(pair.other(host))))
    return host


def _moved_through(pair: Pair, here: LabHost, accident: Accident) -> None:
    there = pair.other(here)
    host = _armed(pair, here, accident.stage, accident.line)
    with here.client() as client, suppress(DomusError):
        client.finish(client.migration.migrate(pair.name, pair.request(there)))
    eventually(lambda: has_suffered(host))
    pair.both_settled()
    eventually(lambda: len(pair.owners()) == 1)
    (owner,) = pair.owners()
    if accident.owner:
        assert owner is (here if accident.owner == "sender" else there), f"it is on {owner}"
    pair.runs_only_on(owner)


@pytest.mark.parametrize("accident", _shuffled(_QUICK), ids=lambda each: f"{each.name} at {each.stage}")
def test_a_xend_or_a_connection_that_is_lost_leaves_the_guest_on_exactly_one_host(
    pair: Pair, here: LabHost, accident: Accident
) -> None:
    _moved_through(pair, here, accident)


@pytest.mark.soak
@pytest.mark.parametrize("accident", _shuffled(_LONG), ids=lambda each: f"{each.name} at {each.stage}")
def test_a_connection_or_a_xend_that_is_slow_or_silent_leaves_the_guest_on_exactly_one_host(
    pair: Pair, here: LabHost, accident: Accident
) -> None:
    _moved_through(pair, here, accident)


@pytest.mark.parametrize(("stage", "stays"), [(Stage.SENDING, True), (Stage.HANDING_OVER, False)])
def test_a_move_is_cancelled_or_it_is_too_late_for_that(
    pair: Pair, here: LabHost, stage: Stage, stays: bool
) -> None:
    there = pair.other(here)
    host = _armed(pair, here, stage, "sleep 1")
    with here.client() as client:
        operation = client.migration.migrate(pair.name, pair.request(there))
        eventually(lambda: has_suffered(host))
        if stays:
            client.migration.cancel(pair.name)
            with pytest.raises(Cancelled):
                client.finish(operation)
        else:
            with suppress(Conflict, NotFound):
                client.migration.cancel(pair.name)
            client.finish(operation)
    pair.both_settled()
    pair.runs_only_on(here if stays else there)


def test_a_host_whose_memory_is_taken_meanwhile_refuses_and_the_guest_goes_on(
    pair: Pair, here: LabHost, small_guest: tuple[Path, Path]
) -> None:
    there = pair.other(here)
    free = next(
        int(line.split()[-1])
        for line in there.run(["xl", "info"]).stdout.splitlines()
        if "free_memory" in line
    )
    there.put(small_guest[0].read_bytes(), "/root/kernel")
    there.put(f'name="eater"\nmemory={free - 60}\nkernel="/root/kernel"\n'.encode(), "/root/eater.cfg")
    arm(there, Stage.RECEIVING, "xl create -p -q /root/eater.cfg")
    with here.client() as client, pytest.raises(DomusError, match="MiB"):
        client.finish(client.migration.migrate(pair.name, pair.request(there)))
    there.run(["xl", "destroy", "eater"])
    pair.both_settled()
    pair.runs_only_on(here)


@pytest.mark.soak
@pytest.mark.parametrize("stage", [Stage.SENDING, Stage.RECEIVING])
def test_a_host_that_cannot_write_anything_down_goes_on_when_it_can(
    pair: Pair, here: LabHost, stage: Stage
) -> None:
    host = here if stage in SENDER else pair.other(here)
    on_a_small_disk(host)
    fill = "dd if=/dev/zero of=/var/lib/domus/filler bs=16k 2> /dev/null"
    arm(host, stage, f"{fill}; (sleep 40; rm /var/lib/domus/filler) &")
    with here.client() as client, suppress(DomusError):
        client.finish(client.migration.migrate(pair.name, pair.request(pair.other(here))))
    eventually(lambda: has_suffered(host))
    pair.both_settled()
    pair.runs_only_on(here)


@pytest.mark.soak
def test_hosts_that_cannot_talk_leave_the_guest_paused_until_somebody_decides(
    pair: Pair, here: LabHost
) -> None:
    there = pair.other(here)
    # the wire is cut after the sender's yes was written, and before it was said
    arm(here, Stage.HANDING_OVER, "ip link set eth1 down")
    with here.client() as client:
        client.migration.migrate(pair.name, pair.request(there))
        # its disk is copied first, where it has one to be copied: until then there is no move
        eventually(
            lambda: any(not move.settled and move.told for move in client.migration.list()), within=300
        )
        assert "stays paused here" in client.migration.list()[-1].told
        assert pair.owners() == []
        count = pair.counted()
        time.sleep(3)
        assert pair.counted() == count
        client.migration.decide(pair.name, Side.HERE)
        eventually(lambda: pair.owners() == [here])
        here.run(["ip", "link", "set", "eth1", "up"])
    pair.both_settled()
    pair.runs_only_on(here)


@pytest.mark.soak
@pytest.mark.parametrize("stage", [Stage.RECEIVING, Stage.READY, Stage.HANDING_OVER])
def test_a_host_without_power_takes_nothing_with_it_that_was_not_its(
    pair: Pair, here: LabHost, stage: Stage
) -> None:
    there = pair.other(here)
    # the move stands still at this stage while the plug of the receiving host is pulled
    host = _armed(pair, here, stage, "(sleep 60; kill -CONT $PPID) & kill -STOP $PPID")
    with here.client() as client:
        operation = client.migration.migrate(pair.name, pair.request(there))
        eventually(lambda: has_suffered(host))
        there.down()
        if host is here:
            here.run(["sh", "-c", "kill -CONT $(cat /run/domus/xend.pid)"])
            eventually(lambda: bool(client.migration.list()[-1].told), within=300)
            assert pair.owners() == [], "nobody can know whether it runs there"
            client.migration.decide(pair.name, Side.HERE)
        with suppress(DomusError, WrongState):
            client.finish(operation)
        eventually(lambda: client.domain(pair.name).paused is False)
    before = pair.counted()
    eventually(lambda: pair.counted() > before)
    there.up()
    pair.lend_again(there)
    make_armable(there)
    pair.both_settled()
    pair.runs_only_on(here)
