"""VCPUs, schedulers, cpupools, uptimes: the layouts that scripts parse."""

from __future__ import annotations

import pytest

from domus.cli import cpupools, scheduling, uptime, vcpus
from domus.cli.declared import find
from domus.cli.numbers import mebibytes
from domus.cli.options import Call, UsageError
from domus.model.cpupool import CpupoolConfig, CpupoolInfo
from domus.model.debugging import Uptime
from domus.model.scheduling import PoolScheduling
from domus.model.vcpus import DomainVcpus, Vcpu, VcpuTable

DOM0 = DomainVcpus(
    name="Domain-0",
    domid=0,
    uuid="0",
    vcpus=(
        Vcpu(
            vcpu=0,
            cpu=0,
            online=True,
            running=True,
            time_ns=1043_400_000_000,
            affinity=(0, 1, 2, 3),
            soft_affinity=(0, 1, 2, 3),
        ),
    ),
)
GUEST = DomainVcpus(
    name="guest1",
    domid=3,
    uuid="3",
    vcpus=(
        Vcpu(
            vcpu=0,
            cpu=0,
            online=True,
            blocked=True,
            time_ns=1043_400_000_000,
            affinity=(0, 1, 3),
            soft_affinity=(0, 1, 2, 3),
        ),
        Vcpu(vcpu=1, time_ns=1044_400_000_000, affinity=(0, 1, 3), soft_affinity=(3,)),
    ),
)
IDLE = DomainVcpus(
    name="idle1",
    uuid="i",
    vcpus=(Vcpu(vcpu=0, affinity=(0, 1, 2, 3), soft_affinity=(0, 1, 2, 3)),),
)


def test_the_list_of_vcpus_is_xms() -> None:
    table = VcpuTable(cpus=(0, 1, 2, 3), domains=(DOM0, GUEST, IDLE))
    assert vcpus.text(table) == (
        "Name                                ID  VCPU   CPU State   Time(s) CPU Affinity\n"
        "Domain-0                             0     0     0   r--    1043.4 any cpu\n"
        "guest1                               3     0     0   -b-    1043.4 0-1,3\n"
        "guest1                               3     1     -   --p    1044.4 0-1,3 / 3\n"
        "idle1                                      0                   0.0 any cpu\n"
    )


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((5,), "5"), ((0, 1), "0-1"), ((0, 2, 4), "0,2,4"), ((3, 1, 2, 9), "1-3,9")],
)
def test_neighbours_are_ranges(numbers: tuple[int, ...], text: str) -> None:
    assert vcpus.ranges(numbers) == text


def test_no_cpu_is_said_in_words() -> None:
    assert vcpus.shown_cpus((), (0, 1)) == "no cpus"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3209, " 0:53:29"),
        (93810, "1 day,  2:03:30"),
        (0, " 0:00:00"),
        (2 * 86400 + 36000, "2 days, 10:00:00"),
    ],
)
def test_an_uptime_has_days_and_hours(seconds: int, text: str) -> None:
    assert uptime.shown(seconds) == text


def test_a_row_of_uptime_is_xms() -> None:
    assert uptime.row(Uptime(name="win1", domid=5, uuid="", seconds=3749)) == (
        "win1                                 5  1:02:29"
    )
    assert uptime.row(Uptime(name="idle1", uuid="")) == "idle1                                   0:00:00"


def call(line: str) -> Call:
    name, *arguments = line.split()
    command = find(name)
    assert command is not None
    return Call(command, arguments)


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("256", 256),
        ("512k", 0),
        ("1G", 1024),
        ("1g", 1024),
        ("300m", 300),
        ("1t", 1 << 20),
        ("2048K", 2),
        ("-1", -1),
    ],
)
def test_memory_has_units_and_is_rounded_down(text: str, mib: int) -> None:
    assert mebibytes(call("mem-set g 1"), text) == mib


def test_an_unknown_unit_is_told_and_counts_as_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert mebibytes(call("mem-set g 1"), "5x") == 0
    assert capsys.readouterr().out == "ignoring unknown unit\n"


@pytest.mark.parametrize("text", ["", "x", "1.5", "1 m2", "٣"])
def test_what_is_no_number_is_invalid(text: str) -> None:
    with pytest.raises(UsageError, match=r"Invalid argument\.") as told:
        mebibytes(call("mem-set g 1"), text)
    assert told.value.hint == f"{text!r} is no number"


@pytest.mark.parametrize(
    "cpus", ["0", "0-3", "0-3,^1", "all", "all,^0", "node:0", "nodes:0-1,^node:1", "^node:0,all", "-", "1, 2"]
)
def test_lists_of_cpus_are_taken(cpus: str) -> None:
    vcpus.check_cpus(call("vcpu-set g 1"), cpus)


@pytest.mark.parametrize("cpus", ["", "x", "0-", "-1", "1,,2", "0;1", "node:", "^", "1\n2"])
def test_what_is_no_list_of_cpus_is_invalid(cpus: str) -> None:
    with pytest.raises(UsageError, match=r"Invalid argument\."):
        vcpus.check_cpus(call("vcpu-set g 1"), cpus)


POOLS = [
    CpupoolInfo(
        name="Pool-0",
        pool=0,
        uuid="4a7ae9d2-0000-0000-0000-0000000000aa",
        scheduler="credit2",
        cpus=(0, 1, 2),
        domains=("Domain-0", "guest1"),
    ),
    CpupoolInfo(
        name="Pool-1",
        scheduler="credit",
        managed=True,
        wanted=CpupoolConfig(name="Pool-1", scheduler="credit", cpu_count=1),
    ),
]


def test_the_list_of_cpupools_is_xms() -> None:
    assert cpupools.table(POOLS) == (
        "Name               CPUs   Sched     Active   Domain count\n"
        "Pool-0               3   credit2       y          2\n"
        "Pool-1               1    credit       n          0\n"
    )
    assert cpupools.cpu_table(POOLS) == (
        "Name             CPU list\nPool-0           0,1,2\nPool-1           -\n"
    )


def test_a_cpupool_has_a_form() -> None:
    from domus.config.sxp.printer import pretty

    text = pretty(cpupools.form(POOLS[0]))
    assert text.startswith(
        "(4a7ae9d2-0000-0000-0000-0000000000aa\n"
        "    (host_CPU_numbers 0 1 2)\n"
        "    (sched_policy credit2)\n"
        "    (started_VM_names Domain-0 guest1)\n"
    ), text


def test_parameters_of_a_cpupool_are_in_xls_words() -> None:
    pool = PoolScheduling(
        pool=0,
        name="Pool-0",
        scheduler="credit",
        timeslice_ms=30,
        ratelimit_us=1000,
        migration_delay_us=0,
    )
    assert scheduling.pool_text(pool) == "tslice=30ms ratelimit=1000us migration-delay=0us"
