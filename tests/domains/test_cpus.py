"""CPUs and schedulers: what is decided without asking Xen."""

from __future__ import annotations

from typing import Any

import pytest

from domus.domains.scheduling import check_ranges
from domus.domains.topology import cpus_of
from domus.domains.vcpus import described
from domus.model.errors import BadInput
from domus.model.topology import HostCpu, HostNode, HostTopology
from domus.model.vcpus import Vcpu

#: two nodes with CPUs 0-1 and 4-5; CPUs 2 and 3 are not there
HOST = HostTopology(
    cpus=tuple(HostCpu(cpu=cpu, core=cpu, socket=0, node=cpu // 4) for cpu in (0, 1, 4, 5)),
    nodes=tuple(HostNode(node=node, memory_mib=1, free_mib=1, distances=(10, 20)) for node in (0, 1)),
)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0", (0,)),
        ("0-5", (0, 1, 4, 5)),
        ("all", (0, 1, 4, 5)),
        ("all,^0", (1, 4, 5)),
        ("node:1", (4, 5)),
        ("nodes:0-1,^node:0", (4, 5)),
        ("0-3,^1", (0,)),
        ("4, 5", (4, 5)),
    ],
)
def test_a_list_of_cpus_means_those_of_the_host(text: str, cpus: tuple[int, ...]) -> None:
    assert cpus_of(text, HOST) == cpus


@pytest.mark.parametrize("text", ["2", "9", "", "^0", "node:2", "x", "3-0"])
def test_a_list_that_leaves_no_cpu_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        cpus_of(text, HOST)


@pytest.mark.parametrize(
    ("scheduler", "wanted"),
    [
        ("credit", {"weight": 1, "cap": 0}),
        ("credit", {"weight": 65535, "cap": 200}),
        ("credit2", {"weight": 256}),
        ("rtds", {"period": 1, "budget": 1}),
    ],
)
def test_values_within_their_range_are_taken(scheduler: str, wanted: dict[str, Any]) -> None:
    check_ranges(wanted, scheduler, 2)


@pytest.mark.parametrize(
    ("scheduler", "wanted", "message"),
    [
        (
            "credit",
            {"weight": 0},
            "Cpu weight out of range, valid values are within range from 1 to 65535",
        ),
        ("credit2", {"weight": 65536}, "weight is out of range"),
        (
            "credit",
            {"cap": 201},
            "Cpu cap out of range, valid range is from 0 to 200 for specified number of vcpus",
        ),
        ("credit2", {"cap": -1}, "Cpu cap out of range"),
        ("rtds", {"period": 0}, "period and budget"),
    ],
)
def test_values_outside_are_refused_in_xms_words(
    scheduler: str, wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check_ranges(wanted, scheduler, 2)
    assert caught.value.what.startswith(message)


def test_an_offline_vcpu_is_on_no_cpu_and_cpus_that_are_not_there_are_left_out() -> None:
    found = {
        "vcpuid": 1,
        "cpu": 5,
        "online": False,
        "blocked": True,
        "running": False,
        "vcpu_time": 7,
        "cpumap": list(range(64)),
        "cpumap_soft": [4, 63],
    }
    assert described(found, (0, 1, 4, 5)) == Vcpu(
        vcpu=1, time_ns=7, affinity=(0, 1, 4, 5), soft_affinity=(4,)
    )
