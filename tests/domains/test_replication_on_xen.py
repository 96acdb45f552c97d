"""Domains that are kept on another real host, and what becomes of both copies when a host is lost."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.model.config import GuestType
from domus.model.errors import BadInput, Busy, Cancelled, DomusError, HostProblem
from domus.model.migration import ReplicateRequest, Side, Stage
from tests.domains.guests import boot_id, create, eventually, kill_xend, look, typed, wait_until_up
from tests.domains.moving import Pair, a_pair

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost
    from domus.model.operation import Operation

pytestmark = [pytest.mark.lab, pytest.mark.soak]


@pytest.fixture
def pair(hosts: tuple[LabHost, LabHost], small_guest: tuple[Path, Path], tmp_path: Path) -> Iterator[Pair]:
    """A PVH guest without disks runs on the first host; a disk would be further than a checkpoint is."""
    with a_pair(hosts, small_guest, tmp_path) as pair:
        pair.config = replace(pair.config, guest_type=GuestType.PVH, disks=())
        with hosts[0].client() as client:
            create(client, pair.config)
            wait_until_up(client, pair.name)
        yield pair


def wanted(pair: Pair, **fields: object) -> ReplicateRequest:
    """What is unsafe here is that the guest's packets are not held back."""
    to = pair.request(pair.hosts[1]).to
    request = ReplicateRequest(to=to, network_buffering=False, disk_replication=False, unsafe=True)
    return replace(request, interval_ms=1000, **fields)


def replicated(pair: Pair, client: Client, **fields: object) -> Operation:
    """It is kept on the other host, some checkpoints old."""
    operation = client.migration.replicate(pair.name, wanted(pair, **fields))
    for now in client.follow(operation):
        if "checkpoint 3" in now.step:
            return now
        assert not now.state.final, f"it was not replicated: {now}"
    raise AssertionError


def kept_in_memory(client: Client, pair: Pair) -> str:
    """Something that only this guest's memory knows."""
    mark = secrets.token_hex(8)
    typed(client, pair.name, f"echo {mark} > /mark; cat /mark | tr a-f A-F", mark.upper())
    return mark


def test_a_guest_goes_on_from_its_last_checkpoint_when_somebody_says_that_its_host_is_lost(
    pair: Pair, hosts: tuple[LabHost, LabHost]
) -> None:
    here, there = hosts
    with here.client() as client:
        mark, boot = kept_in_memory(client, pair), boot_id(client, pair.name)
        replicated(pair, client)
        assert pair.owners() == [here]
        with pytest.raises(Busy, match="replicated"):
            client.finish(client.destroy(pair.name))
    here.down()
    try:
        with there.client() as client:
            eventually(lambda: "stays paused here" in client.migration.list()[-1].told, within=300)
            assert client.domain(f"{pair.name}--incoming").paused
            client.migration.decide(pair.name, Side.HERE)
            eventually(lambda: client.migration.list()[-1].settled)
            assert typed(client, pair.name, "cat /mark", mark)
            assert boot_id(client, pair.name) == boot
    finally:
        here.up()
    assert pair.owners() == [there]


def test_a_guest_fails_over_by_itself_where_that_is_wanted(
    pair: Pair, hosts: tuple[LabHost, LabHost]
) -> None:
    here, there = hosts
    with here.client() as client:
        boot = boot_id(client, pair.name)
        replicated(pair, client, failover_s=5)
    here.down()
    try:
        with there.client() as client:
            eventually(lambda: client.migration.list()[-1].stage is Stage.TAKEN, within=300)
            assert "failover" in client.migration.list()[-1].told
            assert boot_id(client, pair.name) == boot
    finally:
        here.up()


def test_a_replication_that_ends_leaves_the_guest_where_it_is_and_nothing_on_the_other_host(
    pair: Pair, hosts: tuple[LabHost, LabHost]
) -> None:
    here, there = hosts

    def only_here() -> None:
        pair.both_settled()
        eventually(lambda: pair.owners() == [here])
        eventually(lambda: look(there) == pair.clean[there.name])
        with here.client() as client:
            assert boot_id(client, pair.name) == boot

    with here.client() as client:
        boot = boot_id(client, pair.name)
        operation = replicated(pair, client)
        client.migration.cancel(pair.name)
        with pytest.raises(Cancelled):
            client.finish(operation)
    only_here()
    with here.client() as client:
        operation = replicated(pair, client)
        kill_xend(there)
        with pytest.raises(DomusError, match="replicated no longer"):
            client.finish(operation)
    only_here()
    with here.client() as client:
        replicated(pair, client)
    kill_xend(here)
    only_here()


def test_checkpoints_go_nowhere_where_that_is_wanted_and_what_is_unsafe_must_be_said_to_be(
    pair: Pair, hosts: tuple[LabHost, LabHost]
) -> None:
    with hosts[0].client() as client:
        with pytest.raises(BadInput, match="not safe: its checkpoints go nowhere"):
            client.migration.replicate(pair.name, wanted(pair, to=None, unsafe=False))
        boot = boot_id(client, pair.name)
        operation = client.migration.replicate(pair.name, wanted(pair, to=None))
        eventually(lambda: "checkpoint 2" in client.operation(operation.id).step)
        client.migration.cancel(pair.name)
        with pytest.raises(Cancelled):
            client.finish(operation)
        assert boot_id(client, pair.name) == boot
        # what libxl itself refuses: there is nothing to hold packets back with
        with pytest.raises(HostProblem, match="No support for network buffering") as refused:
            client.finish(client.migration.replicate(pair.name, wanted(pair, network_buffering=True)))
        assert "-F -n does without that" in refused.value.hint
        assert boot_id(client, pair.name) == boot
