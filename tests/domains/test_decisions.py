"""Decisions without I/O: what happens to a domain that ended, who is meant, what a lock says."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.domains import aside, restarts
from domus.domains.kept import Kept
from domus.domains.listing import info
from domus.domains.locks import DomainLocks
from domus.domains.parts import find
from domus.domains.restarts import Destroy, GiveUp, Preserve, Restart, SoftReset
from domus.domains.worker import Workers
from domus.model.config import Action, DomainConfig, GuestType
from domus.model.domain import DomainInfo, RunState, ShutdownReason
from domus.model.errors import Busy

UUID = "6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10"


def kept(*, started: float = 0.0, quick: int = 0, **actions: Action) -> Kept:
    config = DomainConfig(name="web", uuid=UUID, **actions)  # type: ignore[arg-type]
    return Kept(config=config, domid=1, started=started, quick_restarts=quick)


@pytest.mark.parametrize(
    ("reason", "decision"),
    [
        (ShutdownReason.POWEROFF, Destroy()),
        (ShutdownReason.REBOOT, Restart(0.0, 0)),
        (ShutdownReason.CRASH, Destroy()),
        (ShutdownReason.SUSPEND, Preserve()),
        (ShutdownReason.UNKNOWN, Destroy()),
    ],
)
def test_a_domain_that_ended_gets_what_its_configuration_says(
    reason: ShutdownReason, decision: restarts.Decision
) -> None:
    assert restarts.decide(kept(), reason, now=1000.0) == decision


def test_rename_restart_leaves_the_old_one() -> None:
    decision = restarts.decide(kept(on_crash=Action.RENAME_RESTART), ShutdownReason.CRASH, now=1000.0)
    assert decision == Restart(0.0, 0, rename_old=True)


def test_a_domain_that_ends_at_once_again_and_again_is_built_ever_later() -> None:
    delays, quick = [], 0
    for _ in range(10):
        decision = restarts.decide(kept(started=1000.0, quick=quick), ShutdownReason.REBOOT, now=1005.0)
        assert isinstance(decision, Restart)
        delays.append(decision.delay)
        quick = decision.quick_restarts
    assert delays == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_domain_that_never_lives_long_is_given_up() -> None:
    decision = restarts.decide(kept(started=1000.0, quick=10), ShutdownReason.REBOOT, now=1005.0)
    assert decision == GiveUp(11)


@pytest.mark.parametrize(
    ("action", "guest_type", "decision"),
    [
        (Action.DESTROY, GuestType.PV, Destroy()),
        (Action.RESTART, GuestType.PV, Restart(0.0, 0)),
        (Action.PRESERVE, GuestType.PV, Preserve()),
        (Action.RENAME_RESTART, GuestType.PV, Restart(0.0, 0, rename_old=True)),
        (Action.COREDUMP_DESTROY, GuestType.PV, Destroy(dump=True)),
        (Action.COREDUMP_RESTART, GuestType.PV, Restart(0.0, 0, dump=True)),
        (Action.SOFT_RESET, GuestType.HVM, SoftReset(0)),
        (Action.SOFT_RESET, GuestType.PV, Restart(0.0, 0)),
        (Action.SOFT_RESET, GuestType.PVH, Restart(0.0, 0)),
    ],
)
@pytest.mark.parametrize(
    ("reason", "parameter"),
    [
        (ShutdownReason.POWEROFF, "on_poweroff"),
        (ShutdownReason.REBOOT, "on_reboot"),
        (ShutdownReason.CRASH, "on_crash"),
        (ShutdownReason.WATCHDOG, "on_watchdog"),
        (ShutdownReason.SOFT_RESET, "on_soft_reset"),
    ],
)
def test_every_action_is_possible_at_every_end(
    action: Action, guest_type: GuestType, decision: restarts.Decision, reason: ShutdownReason, parameter: str
) -> None:
    config = DomainConfig(name="web", uuid=UUID, guest_type=guest_type, **{parameter: action})  # type: ignore[arg-type]
    if isinstance(decision, SoftReset) and reason is not ShutdownReason.SOFT_RESET:
        decision = Restart(0.0, 0)  # it has no other kernel to go on with
    assert restarts.decide(Kept(config=config, domid=1), reason, now=1000.0) == decision


def test_a_guest_that_soft_resets_itself_again_and_again_is_given_up() -> None:
    config = DomainConfig(name="web", uuid=UUID, guest_type=GuestType.HVM)
    often = Kept(config=config, domid=1, started=999.0, quick_restarts=restarts.MOST_QUICK)
    assert restarts.decide(often, ShutdownReason.SOFT_RESET, now=1000.0) == GiveUp(restarts.MOST_QUICK + 1)


def test_names_of_domains_that_are_set_aside_do_not_meet() -> None:
    assert aside.suffix("web", ["web"], now=0.0) == "-19700101T0000Z"
    taken = ["web", "web-19700101T0000Z", "web-19700101T0000Z-2"]
    assert aside.suffix("web", taken, now=59.0) == "-19700101T0000Z-3"


def test_a_domain_that_lived_long_enough_starts_over_at_once() -> None:
    decision = restarts.decide(kept(started=1000.0, quick=9), ShutdownReason.REBOOT, now=1060.0)
    assert decision == Restart(0.0, 0)


@given(st.integers(0, 10**9))
def test_no_delay_is_longer_than_a_minute(quick: int) -> None:
    assert 0 <= restarts.delay_after(quick) <= 60


def domain(name: str, domid: int, uuid: str = UUID) -> DomainInfo:
    return DomainInfo(name=name, domid=domid, uuid=uuid, state=RunState.BLOCKED)


OTHER = "00000000-0000-0000-0000-00000000000f"
DOMAINS = [
    domain("Domain-0", 0, "0" * 8 + "-0000-0000-0000-" + "0" * 12),
    domain("5", 3, OTHER),
    domain("web", 5),
]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("web", "web"),
        ("5", "5"),  # a name wins over an id
        ("3", "5"),
        ("003", "5"),
        ("0", "Domain-0"),
        (UUID, "web"),
        (UUID.upper().replace("-", ""), "web"),
        ("We", None),
        ("", None),
        ("-1", None),
        ("٣", None),
        ("99", None),
    ],
)
def test_a_domain_is_found_by_name_then_id_then_uuid(reference: str, name: str | None) -> None:
    found = find(reference, DOMAINS)
    assert (found.name if found else None) == name


@given(st.text(max_size=300))
def test_any_reference_is_looked_up_without_an_error(reference: str) -> None:
    find(reference, DOMAINS)


def test_a_crashed_domain_is_crashed_and_not_shut_down() -> None:
    found = {"domid": 4, "uuid": UUID, "shutdown": True, "shutdown_reason": "crash", "domain_type": "hvm"}
    crashed = info(found, name="web", target_kib=0, cpupool="Pool-0", kind="pvh")
    assert (crashed.state, crashed.guest_type) == (RunState.CRASHED, GuestType.PVH)
    assert crashed.state_letters == "----c-"


def test_a_reason_left_from_the_past_is_none_while_it_runs() -> None:
    found = {"domid": 4, "uuid": UUID, "running": True, "shutdown_reason": "suspend", "vcpu_max_id": 1}
    running = info(found, name=None, target_kib=131072, cpupool="Pool-0")
    assert (running.name, running.state) == ("Domain-4", RunState.RUNNING)
    assert (running.shutdown_reason, running.max_vcpus) == (ShutdownReason.NONE, 2)


async def test_a_domain_has_one_lock_and_says_what_it_is_held_for() -> None:
    locks = DomainLocks()
    locks.take("web", UUID, domain="web", doing="it is being created")
    with pytest.raises(Busy, match="domain 'web' is busy: it is being created"):
        locks.take("other", UUID, domain="web", doing="it is being paused")
    assert not locks.is_held("other"), "all or none"
    waiting = asyncio.create_task(locks.take_when_free("web", domain="web", doing="it has ended"))
    await asyncio.sleep(0)
    assert not waiting.done()
    locks.release("web", UUID)
    await waiting
    assert locks.is_held("web")


async def test_a_call_that_was_cancelled_has_ended_when_its_caller_goes_on() -> None:
    workers, gate, done = Workers(), threading.Event(), []

    def block() -> None:
        gate.wait(10)
        done.append(1)

    task = asyncio.create_task(workers.call(block))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done(), "it left while its call was still at work"
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1]
    workers.close()
