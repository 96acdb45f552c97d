"""Paravirtualized guests that move while they run, between hosts whose Xen has shadow paging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domus.lab.record import Shape
from domus.model.errors import Cancelled
from tests.domains.guests import boot_id
from tests.domains.moving import Pair, a_pair, begun, migrated, started

if TYPE_CHECKING:
    from domus.lab.host import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.soak]


@pytest.fixture(scope="module")
def hosts(new_host: Callable[..., LabHost], full_hypervisor: Shape) -> tuple[LabHost, LabHost]:
    return new_host(full_hypervisor), new_host(full_hypervisor)


@pytest.fixture
def pair(hosts: tuple[LabHost, LabHost], small_guest: tuple[Path, Path], tmp_path: Path) -> Iterator[Pair]:
    with a_pair(hosts, small_guest, tmp_path) as pair:
        yield pair


def test_a_paravirtualized_guest_counts_while_its_memory_goes_there_and_back(pair: Pair) -> None:
    first = started(pair)
    second = pair.other(first)
    with first.client() as client:
        boot = boot_id(client, pair.name)
        report = client.migration.check(pair.name, pair.request(second, live=True))
        assert (report.problems, report.remarks) == ((), ())
        # slowly, so that there is time to see it count meanwhile
        operation = begun(pair, client, second, "MiB/s", live=True, bandwidth=1_000_000)
        counted = pair.counted()
        for now in client.follow(operation):
            if pair.counted() > counted + 3:
                break
            assert not now.state.final, f"it stood still while it was sent: {now}"
        client.finish(operation)
    pair.runs_only_on(second)
    with second.client() as client:
        assert boot_id(client, pair.name) == boot
    pair.runs_only_on(migrated(pair, second, live=True))


def test_a_live_move_that_is_cancelled_leaves_the_guest_counting(pair: Pair) -> None:
    here, there = started(pair), pair.hosts[1]
    with here.client() as client:
        operation = begun(pair, client, there, "MiB/s", live=True, bandwidth=200_000)
        client.migration.cancel(pair.name)
        with pytest.raises(Cancelled):
            client.finish(operation)
    pair.runs_only_on(here)
