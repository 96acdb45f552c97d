"""What becomes of guests that end, on real Xen: set aside, dumped, reset; each kept to what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.model.api import DumpRequest, ShutdownKind
from domus.model.config import Action, DomainConfig
from domus.model.errors import BadInput, DomainNotFound, Forbidden
from domus.model.operation import OperationState
from tests.domains.cores import check_core
from tests.domains.guests import (
    boot_id,
    create,
    eventually,
    kill_xend,
    look,
    take_all_away,
    typed,
    wait_until_up,
)

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab


@pytest.fixture
def client(lab_host: LabHost, guest_config: DomainConfig) -> Iterator[Client]:
    """A client; after the test no domain is left, and nothing of one but dumps."""
    with lab_host.client() as client:
        before = look(lab_host)
        yield client
        take_all_away(client)
        lab_host.run(["rm", "-rf", "/var/xen/dump", "/root/dumps"])
        assert look(lab_host) == before


def started(client: Client, config: DomainConfig) -> int:
    domid = create(client, config)
    wait_until_up(client, config.name)
    return domid


def test_a_crashed_guest_is_set_aside_and_the_next_one_has_its_name_uuid_and_disk(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    first = started(client, replace(guest_config, on_crash=Action.RENAME_RESTART))
    uuid = client.domain("guest").uuid
    typed(client, "guest", "echo c > /proc/sysrq-trigger")
    eventually(lambda: any(i.name == "guest" and i.domid not in (None, first) for i in client.domains()))
    wait_until_up(client, "guest")
    assert client.domain("guest").uuid == uuid
    dead = next(info for info in client.domains() if info.domid == first)
    assert dead.shutdown
    assert dead.name.startswith("guest-2")
    assert dead.uuid != uuid
    assert f" {dead.uuid} " in lab_host.run(["xl", "list", "-v", dead.name]).stdout
    assert lab_host.run(["xenstore-read", f"/vm/{dead.uuid}/name"]).stdout.strip() == dead.name
    kinds = [event.kind for event in client.events(0, follow=False) if event.domid == first]
    assert kinds.count("domain.crashed") == 1, "the one that is set aside has not crashed a second time"
    assert "domain.set-aside" in kinds


@pytest.mark.parametrize("action", [Action.DESTROY, Action.RESTART])
def test_a_guest_that_is_ending_by_itself_can_be_destroyed(
    client: Client, guest_config: DomainConfig, action: Action
) -> None:
    domid = started(client, replace(guest_config, on_crash=action))
    typed(client, "guest", "echo c > /proc/sysrq-trigger")
    for event in client.events(0, follow=True):
        if event.kind == "domain.crashed" and event.domid == domid:
            break
    # xend is just doing what on_crash says: it may be through with it, or not.
    with suppress(DomainNotFound):
        client.finish(client.destroy("guest"))
    eventually(lambda: [info.domid for info in client.domains()] == [0])
    with pytest.raises(DomainNotFound):
        client.destroy("guest")


def test_the_next_one_can_be_created_as_soon_as_its_forerunner_is_not_listed(
    client: Client, guest_config: DomainConfig
) -> None:
    started(client, guest_config)
    client.shutdown("guest", ShutdownKind.POWEROFF)
    while any(info.name == "guest" for info in client.domains()):
        pass  # its devices go after it: no pause here
    create(client, guest_config, paused=True)


@pytest.mark.soak
def test_a_guest_is_dumped_before_it_is_built_again(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    first = started(client, replace(guest_config, on_reboot=Action.COREDUMP_RESTART))
    client.shutdown("guest", ShutdownKind.REBOOT)
    eventually(lambda: any(i.name == "guest" and i.domid not in (None, first) for i in client.domains()), 400)
    (path,) = lab_host.run(["sh", "-c", "ls /var/xen/dump/guest/*"]).stdout.split()
    assert path.endswith(f"-guest.{first}.core")
    check_core(lab_host, path)


@pytest.mark.soak
def test_a_running_guest_is_dumped_and_goes_on(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    started(client, guest_config)
    boot = boot_id(client, "guest")
    dumped = client.finish(client.saving.dump_core("guest", DumpRequest(path="/root/guest.core")))
    assert dumped.path == "/root/guest.core"
    check_core(lab_host, dumped.path)
    lab_host.run(["rm", dumped.path])
    assert boot_id(client, "guest") == boot
    with pytest.raises(BadInput, match="Cannot dump core in a directory: /root"):
        client.saving.dump_core("guest", DumpRequest(path="/root"))
    with pytest.raises(Forbidden, match="Cannot dump core for privileged domain Domain-0"):
        client.saving.dump_core("0", DumpRequest())


@pytest.mark.soak
def test_a_guest_is_reset_and_destroyed_after_a_dump(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    first = create(client, guest_config, paused=True)
    uuid = client.domain("guest").uuid
    client.finish(client.saving.reset("guest"))
    second = client.domain("guest")
    assert second.domid not in (None, first)
    assert second.uuid == uuid
    wait_until_up(client, "guest")  # before that its kernel has not told yet where its pages are
    crashed = client.finish(client.saving.dump_core("guest", DumpRequest(live=True, crash=True)))
    assert crashed.path.startswith("/var/xen/dump/guest/")
    assert crashed.path.endswith(f"-guest.{second.domid}.core")
    assert lab_host.run(["head", "-c4", crashed.path]).stdout == "\x7fELF"
    assert [info.name for info in client.domains()] == ["Domain-0"]


DUMPING = "ls -A /root/dumps; ps -eo args | grep '[d]omus.xen.coredump' || true"


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "cut-off"])
def test_a_dump_that_does_not_end_leaves_no_file_and_the_guest_goes_on(
    lab_host: LabHost, client: Client, guest_config: DomainConfig, killed: bool
) -> None:
    started(client, guest_config)
    boot = boot_id(client, "guest")
    lab_host.run(["mkdir", "-p", "/root/dumps"])
    dump = client.saving.dump_core("guest", DumpRequest(path="/root/dumps/core"))
    eventually(lambda: client.domain("guest").paused)
    if killed:
        kill_xend(lab_host)
    else:
        client.cancel(dump.id)
    with lab_host.client() as client:
        eventually(lambda: client.operation(dump.id).state.final)
        ended = client.operation(dump.id).state
        assert ended is (OperationState.FAILED if killed else OperationState.CANCELLED)
        assert lab_host.run(["sh", "-c", DUMPING]).stdout == ""
        assert not client.domain("guest").paused
        assert boot_id(client, "guest") == boot
