"""Domain 0 gives memory to domains that need it, on real Xen: it is theirs, or its own again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from domus.client import Client
from domus.lab.host import LabHost
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig
from domus.model.errors import Cancelled, NoCapacity
from tests.domains.guests import create, eventually, kill_xend

pytestmark = pytest.mark.lab

DOM0_MIB = 768
FLOOR_MIB = 560


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    # The lab's Xen gives domain 0 a fixed amount: without this line it would give nothing.
    lab_host.put(f"[dom0]\nballooning = true\nmin_memory_mib = {FLOOR_MIB}\n".encode(), "/etc/xen/xend.toml")
    kill_xend(lab_host)
    with lab_host.client() as client:
        client.memory.set_target("0", DOM0_MIB)  # libxl writes down what it has when it is first asked
        yield client


@pytest.fixture
def dom0_as_before(lab_host: LabHost, client: Client) -> Iterator[None]:
    """Each test ends with domain 0 as large as it was meant to be; what a success took is given back here."""
    before = target_kib(lab_host)
    yield
    client.memory.set_target("0", before >> 10)


def target_kib(host: LabHost) -> int:
    return int(host.run(["xenstore-read", "/local/domain/0/memory/target"]).stdout)


def free_mib(host: LabHost) -> int:
    (line,) = [
        each for each in host.run(["xl", "info"]).stdout.splitlines() if each.startswith("free_memory")
    ]
    return int(line.split(":")[1])


def large(host: LabHost, config: DomainConfig, more_mib: int) -> DomainConfig:
    """A guest that needs at least so much more than is free."""
    return msgspec.structs.replace(config, memory_mib=free_mib(host) + more_mib)


def test_a_domain_is_given_what_domain_0_can_spare(
    lab_host: LabHost, client: Client, guest_config: DomainConfig, dom0_as_before: None
) -> None:
    before = target_kib(lab_host)
    config = large(lab_host, guest_config, 50)
    create(client, config, paused=True)
    gave_mib = before - target_kib(lab_host) >> 10
    # Building takes a little more than the guest has: its page tables, and what Xen keeps.
    assert 50 <= gave_mib < 100
    assert client.domain("guest").memory_kib == config.memory_mib << 10
    client.finish(client.destroy("guest"))


def test_a_guest_that_grows_is_given_it_too(
    lab_host: LabHost, client: Client, guest_config: DomainConfig, dom0_as_before: None
) -> None:
    before = target_kib(lab_host)
    size_mib = free_mib(lab_host) - 40
    create(client, msgspec.structs.replace(guest_config, memory_mib=size_mib, maxmem_mib=size_mib + 80))
    client.memory.set_target("guest", size_mib + 80)
    assert target_kib(lab_host) < before
    eventually(lambda: client.domain("guest").memory_kib == size_mib + 80 << 10)
    client.finish(client.destroy("guest"))


def test_more_than_it_can_spare_is_refused_and_nothing_is_taken(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    before = target_kib(lab_host)
    with pytest.raises(
        NoCapacity, match=r"needs [0-9]+ MiB, [0-9]+ MiB are free and domain 0 can give [0-9]+"
    ):
        create(client, large(lab_host, guest_config, 400), paused=True)
    assert target_kib(lab_host) == before


def test_what_it_gave_for_a_domain_that_is_not_built_is_its_own_again(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    before = target_kib(lab_host)
    operation = client.create(CreateRequest(config=large(lab_host, guest_config, 120), paused=True))
    eventually(lambda: target_kib(lab_host) < before)
    client.cancel(operation.id)
    with pytest.raises(Cancelled):
        client.finish(operation)
    assert target_kib(lab_host) == before


def test_xend_killed_while_it_takes_it_gives_it_back(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    before = target_kib(lab_host)
    client.create(CreateRequest(config=large(lab_host, guest_config, 120), paused=True))
    eventually(lambda: target_kib(lab_host) < before)
    kill_xend(lab_host)
    assert [each.name for each in client.domains()] == ["Domain-0"]
    assert target_kib(lab_host) == before


def test_two_at_once_do_not_take_each_others_room(
    lab_host: LabHost, client: Client, guest_config: DomainConfig, dom0_as_before: None
) -> None:
    half = large(lab_host, guest_config, 60).memory_mib // 2
    wanted = [
        msgspec.structs.replace(guest_config, name=name, memory_mib=half, disks=()) for name in ("one", "two")
    ]
    begun = [client.create(CreateRequest(config=each, paused=True)) for each in wanted]
    for operation in begun:
        client.finish(operation)
    assert {each.name for each in client.domains()} == {"Domain-0", "one", "two"}
    for each in wanted:
        client.finish(client.destroy(each.name))
