"""Waiting for shutdowns and reboots: what counts as ended, and as come back."""

from __future__ import annotations

from domus.cli.shutdown import Awaited, after_reboot, is_taken_away, running_guests, terminated
from domus.model.domain import DomainInfo, RunState

G1 = Awaited("g1", "u1", 4)
G2 = Awaited("g2", "u2", 5)


def info(name: str, uuid: str, domid: int, state: RunState) -> DomainInfo:
    return DomainInfo(name=name, uuid=uuid, domid=domid, state=state)


def test_a_boot_has_ended_when_its_id_is_gone_or_shut_down() -> None:
    assert terminated([G1, G2], [info("g1", "u1", 4, RunState.BLOCKED)]) == [G2]
    assert terminated([G1], [info("g1", "u1", 4, RunState.SHUTDOWN)]) == [G1]
    assert terminated([G1], [info("g1", "u1", 4, RunState.PAUSED)]) == []


def test_a_boot_is_taken_away_when_nothing_of_its_id_is_left() -> None:
    assert not is_taken_away(G1, [info("Domain-4", "", 4, RunState.DYING)])
    assert is_taken_away(G1, [info("g1", "u1", 9, RunState.RUNNING)])


def test_a_domain_that_starts_anew_has_ended_too() -> None:
    assert terminated([G1], [info("g1", "u1", 9, RunState.RUNNING)]) == [G1]


def test_a_reboot_is_over_when_the_same_uuid_runs_again() -> None:
    assert after_reboot(G1, [info("g1", "u1", 9, RunState.RUNNING)], looks=1) == "rebooted"
    assert after_reboot(G1, [info("g1", "u1", 4, RunState.DYING)], looks=1) == ""
    assert after_reboot(G1, [], looks=30) == ""
    assert after_reboot(G1, [], looks=31) == "destroyed for failing to reboot"


def test_all_means_every_running_guest_but_neither_dom0_nor_the_paused() -> None:
    domains = [
        info("win", "u3", 6, RunState.RUNNING),
        info("Domain-0", "u0", 0, RunState.RUNNING),
        info("held", "u4", 7, RunState.PAUSED),
        info("alpha", "u5", 8, RunState.BLOCKED),
    ]
    assert [domain.name for domain in running_guests(domains)] == ["alpha", "win"]
