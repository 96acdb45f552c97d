"""Save and restore on real Xen: the guest goes on where it was, whole or not at all; xl understands us."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.model.api import SaveFormat
from domus.model.config import DomainConfig
from domus.model.errors import (
    AlreadyExists,
    BadInput,
    Busy,
    DomainNotFound,
    NoCapacity,
    NotFound,
    WrongState,
)
from domus.model.operation import OperationState
from tests.domains.guests import (
    at_once,
    boot_id,
    create,
    eventually,
    kill_xend,
    look,
    take_all_away,
    wait_until_up,
)

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

FILE = "/root/guest.save"


@pytest.fixture
def client(lab_host: LabHost, guest_config: DomainConfig) -> Iterator[Client]:
    """A client; after the test no domain is left, and nothing of one but saved files."""
    with lab_host.client() as client:
        before = look(lab_host)
        yield client
        take_all_away(client)
        lab_host.run(["rm", "-f", FILE])
        assert look(lab_host) == before


@pytest.fixture
def guest(client: Client, guest_config: DomainConfig) -> str:
    """The guest, up."""
    create(client, guest_config)
    wait_until_up(client, guest_config.name)
    return guest_config.name


def partial_files(host: LabHost, folder: str = "/root") -> list[str]:
    return str(host.run(["sh", "-c", f"ls -A {folder} | grep part || true"]).stdout).split()


def is_running(client: Client, name: str) -> bool:
    info = client.domain(name)
    return not (info.shutdown or info.paused or info.dying)


def test_a_guest_goes_on_where_it_was_saved(
    lab_host: LabHost, client: Client, guest: str, guest_config: DomainConfig
) -> None:
    before, config = boot_id(client, guest), client.config(guest)
    since = [event.revision for event in client.events(0, follow=False)][-1]
    saved = client.finish(client.saving.save(guest, FILE))
    assert saved.path == FILE
    assert guest not in [info.name for info in client.domains()]
    assert lab_host.run(["stat", "-c", "%a %U", FILE]).stdout.strip() == "600 root"
    restored = client.finish(client.saving.restore(FILE, paused=True))
    assert client.domain(guest).paused
    assert client.domain(guest).domid == restored.domid
    assert client.config(guest) == config
    with pytest.raises(AlreadyExists, match=f"Domain '{guest}' already exists with ID '{restored.domid}'"):
        client.finish(client.saving.restore(FILE))
    client.unpause(guest)
    assert boot_id(client, guest) == before
    with pytest.raises(WrongState, match="Domain is not running"):
        client.pause(guest)
        client.saving.save(guest, FILE)
    client.unpause(guest)
    # a checkpoint: the file is there, the guest never ended, xl restores it
    checkpoint = client.finish(client.saving.save(guest, FILE, checkpoint=True))
    assert checkpoint.state is OperationState.DONE
    eventually(lambda: is_running(client, guest))
    assert client.domain(guest).domid == restored.domid
    assert boot_id(client, guest) == before
    told = [event.kind for event in client.events(since, follow=False)]
    assert "domain.saved" in told
    assert "domain.shutdown" not in told  # it was suspended, and has not ended


def test_xl_and_xm_read_each_others_files(lab_host: LabHost, client: Client, guest: str) -> None:
    before = boot_id(client, guest)
    client.finish(client.saving.save(guest, FILE, file_format=SaveFormat.XL))
    lab_host.run(["xl", "restore", "-e", FILE], within=300)
    assert boot_id(client, guest) == before
    lab_host.run(["xl", "save", guest, FILE], within=300)
    # cut off: told before anything is built of it, though xl writes no checksums
    size = int(lab_host.run(["stat", "-c", "%s", FILE]).stdout)
    lab_host.run(["sh", "-c", f"head -c {size - 40} {FILE} > {FILE}.short"])
    with pytest.raises(BadInput, match=r"not a valid guest state file: .* is cut off"):
        client.finish(client.saving.restore(f"{FILE}.short"))
    lab_host.run(["rm", f"{FILE}.short"])
    client.finish(client.saving.restore(FILE))
    assert boot_id(client, guest) == before
    assert client.config(guest).disks[0].target == "/root/guest.img"


def test_what_cannot_be_saved_goes_on(lab_host: LabHost, client: Client, guest: str) -> None:
    before = boot_id(client, guest)
    lab_host.run(["sh", "-c", "mkdir -p /small && mount -t tmpfs -o size=12M none /small"])
    try:
        with pytest.raises(NoCapacity, match="can't write guest state file /small/f: No space left"):
            client.finish(client.saving.save(guest, "/small/f"))
        assert lab_host.run(["ls", "-A", "/small"]).stdout == ""
    finally:
        lab_host.run(["umount", "/small"])
    assert boot_id(client, guest) == before
    with pytest.raises(NotFound, match="there is no directory /nowhere"):
        client.saving.save(guest, "/nowhere/f")
    with pytest.raises(BadInput, match="Is a directory"):
        client.saving.save(guest, "/root")
    operation = client.saving.save(guest, FILE)
    eventually(lambda: bool(partial_files(lab_host)))
    begun = time.monotonic()
    client.cancel(operation.id)
    eventually(lambda: client.operation(operation.id).state.final)
    assert time.monotonic() - begun < 10
    assert client.operation(operation.id).state is OperationState.CANCELLED
    assert partial_files(lab_host) == []
    eventually(lambda: is_running(client, guest))
    assert boot_id(client, guest) == before


@pytest.mark.parametrize("after", [0.1, 1.5])
def test_a_guest_survives_the_death_of_xend_while_it_is_saved(
    lab_host: LabHost, client: Client, guest: str, after: float
) -> None:
    before = boot_id(client, guest)
    operation = client.saving.save(guest, FILE)
    eventually(lambda: bool(partial_files(lab_host)))
    time.sleep(after)
    kill_xend(lab_host)
    with lab_host.client() as client:
        ended = client.operation(operation.id)
        assert partial_files(lab_host) == []
        if ended.state is OperationState.DONE:  # it was too late
            client.finish(client.saving.restore(FILE))
        eventually(lambda: is_running(client, guest))
        assert boot_id(client, guest) == before


@pytest.mark.soak
def test_a_guest_that_is_saved_and_shut_down_at_once_is_saved_or_ends(
    lab_host: LabHost, client: Client, guest: str
) -> None:
    saved, shut_down = at_once(
        lab_host,
        lambda mine: mine.finish(mine.saving.save(guest, FILE)),
        lambda mine: mine.shutdown(guest),
    )
    assert saved is None or shut_down is None
    if shut_down is not None:
        assert isinstance(shut_down, (Busy, DomainNotFound, WrongState))
    eventually(lambda: [info.domid for info in client.domains()] == [0])
    files = lab_host.run(["sh", "-c", f"ls {FILE}"], check=False).stdout.split()
    assert files == ([FILE] if saved is None else [])
    assert partial_files(lab_host) == []


def test_nothing_is_built_of_a_file_that_is_not_as_it_was_written(
    lab_host: LabHost, client: Client, guest: str
) -> None:
    was = boot_id(client, guest)
    domid = client.domain(guest).domid
    assert domid is not None
    client.finish(client.saving.save(guest, FILE))
    before = look(lab_host)
    size = int(lab_host.run(["stat", "-c", "%s", FILE]).stdout)
    damages = {
        "its middle": (
            "printf '\\377\\376' | dd bs=1 conv=notrunc seek=" + str(size // 2) + " of=",
            "is damaged",
        ),
        "its last byte": (f"truncate -s {size - 1} ", "is cut off"),
        "its second half": (f"truncate -s {size // 2} ", "is cut off"),
        "its head": ("printf x | dd bs=1 conv=notrunc seek=200 of=", "is damaged"),
        "nearly all": ("truncate -s 300 ", "is damaged"),
    }
    for what, (damage, found) in damages.items():
        lab_host.run(["sh", "-c", f"cp {FILE} {FILE}.bad && {damage}{FILE}.bad"])
        with pytest.raises(BadInput, match=f"not a valid guest state file: .* {found}"):
            client.finish(client.saving.restore(f"{FILE}.bad"))
        assert look(lab_host) == before, what
    lab_host.run(["rm", f"{FILE}.bad"])
    restored = client.finish(client.saving.restore(FILE))
    assert boot_id(client, guest) == was
    assert restored.domid == domid + 1, "a domain was made of a damaged file"
    client.finish(client.destroy(guest))
    before = look(lab_host)
    lab_host.put(b"LinuxGuestRecord\0\0\1\2(domain)" + bytes(100), FILE)
    with pytest.raises(BadInput, match="not a valid guest state file: found 'LinuxGuestRecord'"):
        client.saving.restore(FILE)
    with pytest.raises(NotFound, match="No such file"):
        client.saving.restore("/root/none")
    assert look(lab_host) == before


def test_a_name_that_is_taken_is_not_restored(client: Client, guest: str, guest_config: DomainConfig) -> None:
    client.finish(client.saving.save(guest, FILE))
    create(client, replace(guest_config, uuid=None), paused=True)
    with pytest.raises(AlreadyExists):
        client.finish(client.saving.restore(FILE))
