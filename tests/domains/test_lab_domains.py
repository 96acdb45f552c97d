"""Domains on real Xen: they come whole or not at all, go without a trace, and survive xend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from domus.model.api import CreateRequest, ShutdownKind
from domus.model.config import Action, Disk, DomainConfig, Nic
from domus.model.errors import AlreadyExists, BadInput, DomusError, InUse, NoCapacity, NotFound, Unreachable
from domus.model.operation import OperationState
from tests.domains.guests import take_all_away

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

IMAGE = "/root/disk.img"

#: Everything that a domain can leave behind in dom0, in one look. Memory apart: Xen gives it back lazily.
LOOK = """
cat /sys/block/loop*/loop/backing_file 2>/dev/null
ls /sys/class/net/xenbr0/brif
xenstore-list /local/domain
xenstore-list /vm
for kind in vbd vif qdisk; do xenstore-ls /local/domain/0/backend/$kind 2>/dev/null; done
xl list | cut -c1-46
"""


class Guest(NamedTuple):
    """Configurations of a small guest."""

    kernel: str
    ramdisk: str

    def config(self, name: str = "web", **fields: Any) -> DomainConfig:
        usual = {
            "name": name,
            "kernel": self.kernel,
            "ramdisk": self.ramdisk,
            "cmdline": "console=hvc0 quiet",
            "disks": (Disk(vdev="xvda", target=IMAGE),),
            "nics": (Nic(bridge="xenbr0"),),
        }
        return DomainConfig(**usual | fields)


@pytest.fixture(scope="module")
def guest(lab_host: LabHost, small_guest: tuple[Path, Path]) -> Guest:
    lab_host.run(["truncate", "-s", "16M", IMAGE])
    with lab_host.client() as client:
        kernel, ramdisk = (client.put_blob(path) for path in small_guest)
    return Guest(kernel, ramdisk)


@pytest.fixture
def client(lab_host: LabHost, guest: Guest) -> Iterator[Client]:
    """A client; after the test no domain is left, and nothing of one."""
    with lab_host.client() as client:
        before = look(lab_host)
        yield client
        take_all_away(client)
        assert look(lab_host) == before


def look(host: LabHost) -> str:
    return str(host.run(["sh", "-c", LOOK], check=False).stdout)


def create(client: Client, config: DomainConfig, *, paused: bool = True) -> int:
    operation = client.finish(client.create(CreateRequest(config=config, paused=paused)))
    assert operation.domid is not None
    return operation.domid


def names(client: Client) -> list[str]:
    return [info.name for info in client.domains() if info.domid]


def eventually(claim: Callable[[], bool], within: float = 60) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.2)


def answering(host: LabHost, old_pid: str) -> None:
    """Wait until the xend after the one that was killed answers."""

    def claim() -> bool:
        if host.run(["cat", "/run/domus/xend.pid"], check=False).stdout in (old_pid, ""):
            return False
        try:
            with host.client() as client:
                client.api()
        except Unreachable:
            return False
        return True

    eventually(claim)


def kill_xend(host: LabHost) -> str:
    pid = str(host.run(["cat", "/run/domus/xend.pid"]).stdout)
    host.run(["kill", "-9", pid.strip()])
    return pid


def test_a_created_domain_has_its_disk_and_its_bridge_port(
    lab_host: LabHost, client: Client, guest: Guest
) -> None:
    domid = create(client, guest.config())
    assert f"vif{domid}.0" in lab_host.run(["ls", "/sys/class/net/xenbr0/brif"]).stdout
    backend = f"/local/domain/0/backend/vbd/{domid}/51712"
    assert lab_host.run(["xenstore-read", f"{backend}/hotplug-status"]).stdout.strip() == "connected"
    assert IMAGE in lab_host.run(["sh", "-c", "cat /sys/block/loop*/loop/backing_file"]).stdout


def test_a_guest_that_reboots_is_the_same_with_a_new_id(client: Client, guest: Guest) -> None:
    first = create(client, guest.config(), paused=False)
    uuid = client.domain("web").uuid
    config = client.config("web")
    wait_until_up(client)

    def came_back() -> bool:
        settled = all(operation.state.final for operation in client.operations())
        return settled and any(info.name == "web" and (info.domid or 0) > first for info in client.domains())

    client.shutdown("web", ShutdownKind.REBOOT)
    eventually(came_back)
    assert client.domain("web").uuid == uuid
    assert client.config("web") == config


def test_a_guest_that_powers_off_is_gone(client: Client, guest: Guest) -> None:
    create(client, guest.config(), paused=False)
    wait_until_up(client)
    client.shutdown("web")
    eventually(lambda: "web" not in names(client))


def test_a_preserved_guest_stays_to_be_looked_at(client: Client, guest: Guest) -> None:
    create(client, guest.config(on_poweroff=Action.PRESERVE), paused=False)
    wait_until_up(client)
    client.shutdown("web")
    eventually(lambda: client.domain("web").shutdown)
    time.sleep(2)
    assert client.domain("web").shutdown


def wait_until_up(client: Client) -> None:
    """Wait until the guest says that it is up: Linux forgets a poweroff that comes before its init is ready.

    (drivers/xen/manage.c, do_poweroff: it starts /sbin/poweroff, and does not insist.)
    """
    printed, end = b"", time.monotonic() + 60
    with client.console("web", write=False) as console:
        while b"is up." not in printed:
            assert time.monotonic() < end, f"the guest printed only {printed[-500:]!r}"
            printed += console.receive(1.0) or b""


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"nics": (Nic(bridge="nobr0"),)}, NotFound, "bridge 'nobr0' does not exist (this host has: xenbr0)"),
        ({"disks": (Disk(vdev="xvda", target="/no.img"),)}, NotFound, "Disk image does not exist: /no.img"),
        ({"disks": (Disk(vdev="xvda", target="/etc"),)}, BadInput, "/etc is a directory"),
        ({"kernel": "/no/vmlinuz"}, NotFound, "Kernel image does not exist: /no/vmlinuz"),
        ({"kernel": "/etc/hostname"}, BadInput, "neither an ELF file nor a bzImage"),
        ({"memory_mib": 1 << 20}, NoCapacity, "MiB are free"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(
    client: Client, guest: Guest, fields: dict[str, Any], error: type[DomusError], message: str
) -> None:
    with pytest.raises(error) as caught:
        create(client, guest.config(**fields))
    assert message in caught.value.what


def test_a_name_in_use_is_refused(client: Client, guest: Guest) -> None:
    domid = create(client, guest.config())
    with pytest.raises(AlreadyExists, match=f"Domain 'web' already exists with ID '{domid}'"):
        create(client, guest.config())
    assert names(client) == ["web"]


def test_a_disk_is_written_by_one_domain_only(client: Client, guest: Guest) -> None:
    create(client, guest.config())
    with pytest.raises(InUse, match=f"{IMAGE} is in use for writing by domain 'web'"):
        create(client, guest.config("db"))
    reader = Disk(vdev="xvda", target=IMAGE, writable=False)
    with pytest.raises(InUse):
        create(client, guest.config("db", disks=(reader,)))
    create(client, guest.config("db", disks=(Disk(vdev="xvda", target=IMAGE, shared=True),)))


def test_a_disk_of_a_domain_that_xl_made_is_known_too(
    lab_host: LabHost, client: Client, guest: Guest
) -> None:
    digest = guest.kernel.removeprefix("sha256:")
    ramdisk = guest.ramdisk.removeprefix("sha256:")
    lab_host.put(
        f'name="xls"\ntype="pv"\nmemory=128\nkernel="/var/lib/domus/blobs/{digest}"\n'
        f'ramdisk="/var/lib/domus/blobs/{ramdisk}"\ndisk=["{IMAGE},raw,xvda,rw"]\n'.encode(),
        "/root/xls.cfg",
    )
    lab_host.run(["xl", "create", "-p", "/root/xls.cfg"])
    with pytest.raises(InUse, match="by domain 'xls'"):
        create(client, guest.config())


def test_a_disk_mounted_in_dom0_is_refused(lab_host: LabHost, client: Client, guest: Guest) -> None:
    lab_host.run(["truncate", "-s", "16M", "/root/fs.img"])
    lab_host.run(
        ["sh", "-c", "mke2fs -q /root/fs.img && mkdir -p /mnt/fs && mount -o loop /root/fs.img /mnt/fs"]
    )
    try:
        with pytest.raises(InUse, match=r"/root/fs.img is mounted on /mnt/fs through /dev/loop\d+ in dom0"):
            create(client, guest.config(disks=(Disk(vdev="xvda", target="/root/fs.img"),)))
    finally:
        lab_host.run(["umount", "/mnt/fs"])


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3, 0.6, 0.9, 1.2])
def test_a_cancelled_creation_is_undone(client: Client, guest: Guest, after: float) -> None:
    operation = client.create(CreateRequest(config=guest.config(), paused=True))
    time.sleep(after)
    try:
        client.cancel(operation.id)
    except DomusError:
        assert client.operation(operation.id).state is OperationState.DONE
        return
    eventually(lambda: client.operation(operation.id).state.final)
    assert client.operation(operation.id).state in (OperationState.CANCELLED, OperationState.DONE)
    if client.operation(operation.id).state is OperationState.CANCELLED:
        assert names(client) == []


def test_killing_xend_harms_no_domain_and_the_next_one_knows_it(
    lab_host: LabHost, client: Client, guest: Guest
) -> None:
    domid = create(client, guest.config(), paused=False)
    config = client.config("web")
    answering(lab_host, kill_xend(lab_host))
    with lab_host.client() as after:
        info = after.domain("web")
        assert (info.domid, info.shutdown) == (domid, False)
        assert after.config("web") == config
        with pytest.raises(InUse):
            create(after, guest.config("db"))


@pytest.mark.parametrize("after", [0.0, 0.2, 0.4, 0.7, 1.0, 1.3])
def test_xend_killed_while_it_creates_leaves_a_whole_domain_or_nothing(
    lab_host: LabHost, guest: Guest, after: float
) -> None:
    before = look(lab_host)
    with lab_host.client() as client:
        operation = client.create(CreateRequest(config=guest.config(), paused=True))
    time.sleep(after)
    answering(lab_host, kill_xend(lab_host))
    with lab_host.client() as client:
        ended = client.operation(operation.id)
        assert ended.state in (OperationState.FAILED, OperationState.DONE)
        if ended.state is OperationState.DONE:
            assert client.domain("web").paused
            client.finish(client.destroy("web"))
        assert names(client) == []
    assert look(lab_host) == before


@pytest.mark.parametrize("after", [0.0, 0.2, 0.4])
def test_xend_killed_while_it_destroys_finishes_it_on_its_next_start(
    lab_host: LabHost, guest: Guest, after: float
) -> None:
    before = look(lab_host)
    with lab_host.client() as client:
        create(client, guest.config())
        client.destroy("web")
    time.sleep(after)
    answering(lab_host, kill_xend(lab_host))
    with lab_host.client() as client:
        assert names(client) == []
    assert look(lab_host) == before
