"""Managed domains when xend is killed between any two steps, and when two clients want contrary things."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from domus.config import vdev
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig
from domus.model.errors import Busy, Conflict, DomainNotFound, DomusError, OutcomeUnknown, Unreachable
from domus.model.managed import ManagedDomain
from tests.domains.guests import at_once, take_all_away

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def guest(lab_host: LabHost, small_guest: tuple[Path, Path]) -> DomainConfig:
    with lab_host.client() as client:
        kernel, ramdisk = (client.put_blob(path) for path in small_guest)
    return DomainConfig(name="web", kernel=kernel, ramdisk=ramdisk, memory_mib=88, cmdline="console=hvc0")


@pytest.fixture
def client(lab_host: LabHost) -> Iterator[Client]:
    """A client; after the test nothing is managed, and no domain is left."""
    with lab_host.client() as client:
        yield client
        take_all_away(client)
        for managed in client.managed.list():
            client.managed.delete(managed.uuid)
        assert [info.domid for info in client.domains()] == [0]


def eventually(claim: Callable[[], bool], within: float = 300) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.3)


def kill_xend(host: LabHost, meanwhile: Callable[[], object] = lambda: None, *, after: float = 0.0) -> None:
    """SIGKILL, `after` seconds after `meanwhile` has begun; wait until the next xend answers."""
    pid = host.run(["cat", "/run/domus/xend.pid"]).stdout
    script = f"sleep {after}; kill -9 {pid.strip()}"
    killing = threading.Thread(target=host.run, args=(["sh", "-c", script],))
    killing.start()
    with suppress(DomusError):
        meanwhile()
    killing.join()

    def claim() -> bool:
        if host.run(["cat", "/run/domus/xend.pid"], check=False).stdout in (pid, ""):
            return False
        try:
            with host.client() as client:
                client.api()
        except DomusError:
            return False
        return True

    eventually(claim)


def test_no_acknowledged_change_is_lost_when_xend_is_killed(
    lab_host: LabHost, client: Client, guest: DomainConfig
) -> None:
    acknowledged: dict[str, ManagedDomain] = {}

    def change_until_killed(round_: int) -> None:
        with lab_host.client() as mine:
            for number in range(1000):
                try:
                    name = f"web{round_}-{number // 2}"
                    config = msgspec.structs.replace(guest, name=name)
                    if number % 2:
                        known = acknowledged[name]
                        config = msgspec.structs.replace(known.config, memory_mib=88 + number)
                        acknowledged[name] = mine.managed.configure(name, config)
                    else:
                        acknowledged[name] = mine.managed.define(config)
                except (Unreachable, OutcomeUnknown):
                    return

    for round_ in range(2):
        changing = threading.Thread(target=change_until_killed, args=(round_,))
        changing.start()
        before = len(acknowledged)
        eventually(lambda before=before: len(acknowledged) > before + 1)  # type: ignore[misc]
        kill_xend(lab_host)
        changing.join(60)
        assert not changing.is_alive()
    kept = {managed.name: managed for managed in client.managed.list()}
    for name, managed in acknowledged.items():
        assert kept[name].revision.number >= managed.revision.number
        assert managed.revision in client.managed.history(name)


@pytest.mark.parametrize("after", [0.0, 0.2, 0.6])
def test_a_rename_that_is_cut_off_is_everywhere_or_nowhere(
    lab_host: LabHost, client: Client, guest: DomainConfig, after: float
) -> None:
    client.managed.define(guest)
    client.finish(client.managed.start("web", paused=True))
    uuid = client.domain("web").uuid
    kill_xend(lab_host, lambda: client.finish(client.managed.rename("web", "www")), after=after)
    names = {
        client.domain(uuid).name,
        client.managed.get(uuid).name,
        client.config(uuid).name,
        lab_host.run(["xl", "list"]).stdout.splitlines()[-1].split()[0],
        lab_host.run(["xenstore-read", f"/vm/{uuid}/name"]).stdout.strip(),
    }
    assert names in ({"web"}, {"www"})


@pytest.mark.parametrize("after", [0.4, 1.2])
def test_a_start_that_is_cut_off_leaves_it_halted_and_startable(
    lab_host: LabHost, client: Client, guest: DomainConfig, after: float
) -> None:
    client.managed.define(guest)
    kill_xend(lab_host, lambda: client.managed.start("web", paused=True), after=after)
    if client.domain("web").domid is None:
        assert client.config("web") == client.managed.get("web").config
        client.finish(client.managed.start("web", paused=True))
    assert client.domain("web").paused


@pytest.mark.soak
@pytest.mark.parametrize("after", [0.05, 0.4])
@pytest.mark.parametrize("what", ["memory", "attach", "detach"])
def test_what_is_to_persist_is_done_and_kept_or_neither_when_xend_is_killed(
    lab_host: LabHost, client: Client, guest: DomainConfig, what: str, after: float
) -> None:
    lab_host.run(["truncate", "-s", "1M", "/root/a.img", "/root/b.img"])
    disks = {name: Disk(vdev=name, target=f"/root/{name[-1]}.img") for name in ("xvda", "xvdb")}
    client.managed.define(msgspec.structs.replace(guest, disks=(disks["xvda"],)))
    client.finish(client.managed.start("web", paused=True))
    wishes: dict[str, Callable[[], object]] = {
        "memory": lambda: client.memory.set_target("web", 72, persist=True),
        "attach": lambda: client.devices.attach_disk("web", disks["xvdb"], persist=True),
        "detach": lambda: client.devices.detach_disk("web", "xvda", force=True, persist=True),
    }
    kill_xend(lab_host, wishes[what], after=after)
    assert client.managed.differences("web") == []
    kept = client.managed.get("web").config
    assert client.domain("web").target_kib >> 10 == kept.memory_mib
    devices = {int(device.devid) for device in client.devices.list("web", "vbd")}
    assert devices == {vdev.number(disk.vdev) for disk in kept.disks}
    assert len(client.managed.history("web")) <= 2


def test_of_two_contrary_wishes_one_wins_and_the_other_is_told(
    lab_host: LabHost, client: Client, guest: DomainConfig
) -> None:
    for _ in range(2):
        client.managed.define(guest)
        started, deleted = at_once(
            lab_host,
            lambda mine: mine.finish(mine.managed.start("web", paused=True)),
            lambda mine: mine.managed.delete("web"),
        )
        assert (started is None) != (deleted is None)
        if started is None:
            assert isinstance(deleted, Conflict)
            assert client.domain("web").paused
            client.finish(client.destroy("web"))
            client.managed.delete("web")
        else:
            assert isinstance(started, (Conflict, DomainNotFound))
            assert client.managed.list() == []


def test_of_two_new_names_one_wins(lab_host: LabHost, client: Client, guest: DomainConfig) -> None:
    client.managed.define(guest)
    outcomes = at_once(
        lab_host,
        lambda mine: mine.finish(mine.managed.rename("web", "left")),
        lambda mine: mine.finish(mine.managed.rename("web", "right")),
    )
    (name,) = [managed.name for managed in client.managed.list()]
    assert outcomes.count(None) == 1
    assert name == ("left", "right")[outcomes.index(None)]
    assert isinstance(next(filter(None, outcomes)), (Conflict, DomainNotFound))


def test_of_two_edits_of_the_same_revision_one_wins(
    lab_host: LabHost, client: Client, guest: DomainConfig
) -> None:
    known = client.managed.define(guest)

    def with_memory(mib: int) -> Callable[[Client], object]:
        config = msgspec.structs.replace(known.config, memory_mib=mib)
        return lambda mine: mine.managed.configure("web", config, base=1)

    outcomes = at_once(lab_host, with_memory(80), with_memory(104))
    assert outcomes.count(None) == 1
    assert client.managed.get("web").config.memory_mib == (80, 104)[outcomes.index(None)]
    assert isinstance(next(filter(None, outcomes)), Conflict)


def test_a_start_and_a_rename_at_once_leave_one_domain_of_one_name(
    lab_host: LabHost, client: Client, guest: DomainConfig
) -> None:
    client.managed.define(guest)
    uuid = client.managed.get("web").uuid
    started, renamed = at_once(
        lab_host,
        lambda mine: mine.finish(mine.managed.start(uuid, paused=True)),
        lambda mine: mine.finish(mine.managed.rename(uuid, "www")),
    )
    assert started is None or renamed is None
    assert all(error is None or isinstance(error, Conflict) for error in (started, renamed))
    name = "web" if renamed else "www"
    assert [managed.name for managed in client.managed.list()] == [name]
    info = client.domain(uuid)
    assert (info.name, info.domid is None) == (name, started is not None)


def test_a_disk_attached_while_its_domain_is_destroyed_is_refused_or_goes_with_it(
    lab_host: LabHost, client: Client, guest: DomainConfig
) -> None:
    lab_host.run(["truncate", "-s", "1M", "/root/more.img"])
    for _ in range(2):
        operation = client.finish(client.create(CreateRequest(config=guest, paused=True)))
        attached, destroyed = at_once(
            lab_host,
            lambda mine: mine.finish(
                mine.devices.attach_disk("web", Disk(vdev="xvdb", target="/root/more.img"))
            ),
            lambda mine: mine.finish(mine.destroy("web")),
        )
        assert attached is None or destroyed is None
        assert attached is None or isinstance(attached, (Conflict, DomainNotFound))
        if destroyed is not None:
            assert isinstance(destroyed, Busy)
            assert [disk.devid for disk in client.devices.list("web", "vbd")] == [51728]
            client.finish(client.destroy("web"))
        loops = lab_host.run(["sh", "-c", "cat /sys/block/loop*/loop/backing_file"], check=False)
        assert loops.stdout == ""
        backends = lab_host.run(["xenstore-ls", "/local/domain/0/backend"], check=False).stdout
        assert f"{operation.domid} = " not in backends
