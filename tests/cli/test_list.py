"""`xm list`: the table as scripts know it."""

from __future__ import annotations

import pytest

from domus.cli.list import chosen, in_order, labelled_table, power_state, table
from domus.model.domain import DomainInfo, RunState, ShutdownReason

DOM0 = DomainInfo(
    name="Domain-0",
    domid=0,
    uuid="00000000-0000-0000-0000-000000000000",
    state=RunState.RUNNING,
    running=True,
    memory_kib=1024 * 1024,
    vcpus=4,
    cpu_time_ns=4_173_600_000_000,
)
GUEST1 = DomainInfo(
    name="guest1",
    domid=3,
    uuid="6a5e1c4e-8a3f-4b0e-9d2b-3c1f5a7e9b10",
    state=RunState.BLOCKED,
    blocked=True,
    memory_kib=511 * 1024,
    target_kib=512 * 1024,
    vcpus=2,
    cpu_time_ns=12_300_000_000,
    security_label="system_u:system_r:domU_t",
)
IDLE1 = DomainInfo(
    name="idle1",
    uuid="11111111-2222-3333-4444-555555555555",
    state=RunState.HALTED,
    target_kib=256 * 1024,
    max_vcpus=1,
    managed=True,
)
WIN1 = DomainInfo(
    name="win1",
    domid=5,
    uuid="9d2b3c1f-5a7e-4b10-8a3f-6a5e1c4e4b0e",
    state=RunState.PAUSED,
    paused=True,
    memory_kib=1024 * 1024,
    vcpus=2,
    cpu_time_ns=2_047_100_000_000,
    cpupool="Pool-win",
)
CRASHED = DomainInfo(
    name="broken",
    domid=6,
    uuid="22222222-2222-3333-4444-555555555555",
    state=RunState.CRASHED,
    shutdown=True,
    shutdown_reason=ShutdownReason.CRASH,
    vcpus=1,
)


def test_the_table_has_the_layout_of_the_last_xm() -> None:
    assert table([DOM0, GUEST1, IDLE1, WIN1]) == (
        "Name                                        ID   Mem VCPUs      State   Time(s)\n"
        "Domain-0                                     0  1024     4     r-----   4173.6\n"
        "guest1                                       3   512     2     -b----     12.3\n"
        "idle1                                            256     1                 0.0\n"
        "win1                                         5  1024     2     --p---   2047.1\n"
    )


def test_without_domains_there_is_a_header() -> None:
    assert table([]) == ("Name                                        ID   Mem VCPUs      State   Time(s)\n")


def test_a_long_name_pushes_the_rest_to_the_right() -> None:
    long = DomainInfo(name="n" * 45, domid=7, uuid="", state=RunState.RUNNING, running=True)
    assert table([long]).splitlines()[1] == "n" * 45 + "     7     0     0     r-----      0.0"


def test_a_crashed_domain_shows_c_alone() -> None:
    assert table([CRASHED]).splitlines()[1].split()[4] == "----c-"


def test_labels_are_a_column_of_their_own_by_which_rows_are_sorted() -> None:
    assert labelled_table([GUEST1, DOM0]) == (
        "Name                                        ID   Mem VCPUs      State   Time(s) Label     \n"
        "Domain-0                                     0  1024     4     r-----   4173.6           \n"
        "guest1                                       3   512     2     -b----     12.3"
        " system_u:system_r:domU_t\n"
    )


def test_rows_are_sorted_by_name_capitals_first() -> None:
    names = [domain.name for domain in in_order([WIN1, GUEST1, DOM0, CRASHED])]
    assert names == ["Domain-0", "broken", "guest1", "win1"]


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("all", ["Domain-0", "guest1", "idle1", "win1", "broken"]),
        ("running", ["Domain-0", "guest1"]),
        ("PAUSED", ["win1"]),
        ("halted", ["idle1"]),
        ("crashed", ["broken"]),
        ("suspended", []),
        ("no such state", []),
    ],
)
def test_state_chooses_by_power_state_whatever_its_case(state: str, names: list[str]) -> None:
    domains = [DOM0, GUEST1, IDLE1, WIN1, CRASHED]
    assert [domain.name for domain in chosen(domains, state=state)] == names


def test_pool_chooses_by_cpupool() -> None:
    assert chosen([DOM0, WIN1], pool="Pool-win") == [WIN1]


def test_a_domain_that_shut_down_to_be_saved_is_suspended() -> None:
    saved = DomainInfo(
        name="g",
        domid=1,
        uuid="",
        state=RunState.SHUTDOWN,
        shutdown=True,
        shutdown_reason=ShutdownReason.SUSPEND,
    )
    assert power_state(saved) == "suspended"
