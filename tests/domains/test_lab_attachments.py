"""Disks and cards of running domains on real Xen: they come, are used, go, and nothing of them is left."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.config.compile.devices import disk_json, nic_json
from domus.lab.record import Suite
from domus.model.api import CreateRequest, ShutdownKind
from domus.model.config import Disk, DomainConfig, Nic
from domus.model.errors import (
    AlreadyExists,
    BadInput,
    Cancelled,
    Conflict,
    DomusError,
    InUse,
    NotFound,
    Unreachable,
    WrongState,
)
from domus.model.operation import OperationState
from tests.conftest import traces
from tests.domains.guests import Shell

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost
    from domus.model.operation import Operation

pytestmark = pytest.mark.lab

IMAGE = "/root/extra.img"
MIB = 1 << 20
ROUNDS = int(os.environ.get("DOMUS_ROUNDS", "20"))
SECOND = Disk(vdev="xvdb", target=IMAGE)


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


@pytest.fixture(scope="module")
def booted(lab_host: LabHost, client: Client, guest_config: DomainConfig) -> None:
    lab_host.run(["truncate", "-s", "16M", IMAGE])
    # Linux loses a little memory with each device that is taken from it by force.
    config = replace(guest_config, memory_mib=192)
    client.finish(client.create(CreateRequest(config=config, paused=False)))
    wait_until_up(client)


def wait_until_up(client: Client, within: float = 120) -> None:
    printed, end = b"", time.monotonic() + within
    while b"is up." not in printed:
        assert time.monotonic() < end, f"the guest printed only {printed[-500:]!r}"
        with client.console("guest", write=False) as console:
            while b"is up." not in printed and (piece := console.receive(1.0)):
                printed += piece


def eventually(claim: Callable[[], bool], within: float = 180) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.3)


def attach(client: Client, disk: Disk = SECOND) -> Operation:
    return client.finish(client.devices.attach_disk("guest", disk))


def detach(client: Client, name: str = "xvdb", *, force: bool = False) -> Operation:
    return client.finish(client.devices.detach_disk("guest", name, force=force))


def numbers(client: Client, kind: str) -> list[int]:
    return [device.devid for device in client.devices.list("guest", kind)]


def wait_for(shell: Shell, path: str) -> None:
    shell.run(f"for i in $(seq 50); do [ -e {path} ] && break; sleep 0.1; done; [ -e {path} ]")


def test_what_a_guest_writes_to_an_attached_disk_is_in_the_image(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    attach(client)
    wait_for(shell, "/dev/xvdb")
    assert shell.run("cat /sys/block/xvdb/size") == str(16 * MIB // 512)
    shell.run("dd if=/dev/urandom of=/noise bs=64k count=16 2>/dev/null")
    shell.run("dd if=/noise of=/dev/xvdb bs=64k conv=fsync 2>/dev/null; sync")
    theirs = shell.run("sha256sum /noise").split()[0]
    detach(client)
    shell.run("for i in $(seq 50); do [ -e /dev/xvdb ] || break; sleep 0.1; done; [ ! -e /dev/xvdb ]")
    ours = lab_host.run(["sh", "-c", f"head -c {MIB} {IMAGE} | sha256sum"]).stdout.split()[0]
    assert ours == theirs
    assert theirs != hashlib.sha256(bytes(MIB)).hexdigest()


def test_an_attached_card_carries_packets(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    mac = "00:16:3e:0a:0b:0c"
    client.finish(client.devices.attach_nic("guest", Nic(bridge="xenbr0", mac=mac)))
    assert numbers(client, "vif") == [0, 1]
    wait_for(shell, "/sys/class/net/eth1")
    assert shell.run("cat /sys/class/net/eth1/address") == mac
    # The first card is set down, so that the packets cannot take its way.
    shell.run("ifconfig eth0 down; ifconfig eth1 10.77.0.101 netmask 255.255.255.0 up")
    lab_host.run(["ping", "-c", "2", "-W", "10", "10.77.0.101"])
    assert mac in lab_host.run(["ip", "neigh", "show", "10.77.0.101"]).stdout
    shell.run("ifconfig eth1 down; ifconfig eth0 up")
    client.finish(client.devices.detach_nic("guest", mac.upper()))
    shell.run("for i in $(seq 50); do [ -e /sys/class/net/eth1 ] || break; sleep 0.1; done")
    assert shell.run("ls /sys/class/net").split() == ["eth0", "lo"]
    lab_host.run(["ip", "neigh", "flush", "all"])


def test_a_read_only_disk_is_read_only_in_the_guest(client: Client, shell: Shell, unchanged: None) -> None:
    attach(client, Disk(vdev="xvdc", target=IMAGE, writable=False))
    wait_for(shell, "/dev/xvdc")
    assert shell.run("cat /sys/block/xvdc/ro") == "1"
    detach(client, "51744")


@pytest.mark.parametrize(
    ("disk", "error", "message"),
    [
        (Disk(vdev="xvdb", target="/no.img"), NotFound, "Disk image does not exist: /no.img"),
        (
            Disk(vdev="xvda", target=IMAGE),
            AlreadyExists,
            r"Device xvda \(51712, vbd\) is already connected\.",
        ),
        (Disk(vdev="xvdb", target="/root/guest.img"), InUse, "in use for writing by domain 'guest'"),
        (Disk(vdev="zzz", target=IMAGE), BadInput, "'zzz' is not a virtual disk"),
        (Disk(vdev="xvdb", target=IMAGE, script="block-odd"), BadInput, 'type "odd" is invalid'),
        (Disk(vdev="xvdb", target="/etc"), BadInput, "is a directory"),
    ],
)
def test_a_disk_that_cannot_be_is_refused(
    client: Client, unchanged: None, disk: Disk, error: type[DomusError], message: str
) -> None:
    with pytest.raises(error, match=message):
        attach(client, disk)


def test_a_card_that_cannot_be_is_refused(client: Client, unchanged: None) -> None:
    (first,) = client.devices.list("guest", "vif")
    for nic, error in (
        (Nic(bridge="nobr0"), NotFound),
        (Nic(mac=first.backend_nodes["mac"]), AlreadyExists),
        (Nic(devid=0), AlreadyExists),
        (Nic(vifname="xenbr0"), Conflict),
    ):
        with pytest.raises(error):
            client.finish(client.devices.attach_nic("guest", nic))
    for place in ("7", "odd", "00:16:3e:ff:ff:ff"):
        with pytest.raises(NotFound):
            client.finish(client.devices.detach_nic("guest", place))


def test_w_means_that_others_may_write_too(client: Client, shell: Shell, unchanged: None) -> None:
    attach(client, Disk(vdev="xvdb", target="/root/guest.img", shared=True))
    wait_for(shell, "/dev/xvdb")
    detach(client)


def test_only_a_cd_drive_of_an_hvm_guest_changes_its_medium(client: Client, booted: None) -> None:
    with pytest.raises(WrongState, match="Refusing to reconfigure device vbd:51712"):
        client.devices.change_medium("guest", Disk(vdev="xvda", target=IMAGE, cdrom=True))
    with pytest.raises(NotFound, match="Device xvdq not connected"):
        client.devices.change_medium("guest", Disk(vdev="xvdq", target=IMAGE, cdrom=True))


def test_a_guest_that_does_not_answer_keeps_its_disk_and_can_use_it(
    client: Client, shell: Shell, unchanged: None
) -> None:
    attach(client)
    wait_for(shell, "/dev/xvdb")
    client.pause("guest")
    with pytest.raises(Conflict, match=r"Device 51728 \(vbd\) could not be disconnected\. "):
        detach(client)
    client.unpause("guest")
    assert "xvdb" in [disk.vdev for disk in client.config("guest").disks]
    shell.run("dd if=/dev/zero of=/dev/xvdb bs=4k count=1 conv=fsync 2>/dev/null")
    detach(client)


def test_force_takes_devices_from_a_guest_that_does_not_answer(client: Client, unchanged: None) -> None:
    attach(client)
    client.finish(client.devices.attach_nic("guest", Nic(bridge="xenbr0")))
    client.pause("guest")
    detach(client, force=True)
    client.finish(client.devices.detach_nic("guest", "1", force=True))
    assert (numbers(client, "vbd"), numbers(client, "vif")) == ([51712], [0])
    client.unpause("guest")


def test_a_cancelled_detachment_changes_nothing(client: Client, shell: Shell, unchanged: None) -> None:
    attach(client)
    wait_for(shell, "/dev/xvdb")
    client.pause("guest")
    operation = client.devices.detach_disk("guest", "xvdb")
    time.sleep(1)
    client.cancel(operation.id)
    with pytest.raises(Cancelled):
        client.finish(operation)
    client.unpause("guest")
    shell.run("dd if=/dev/xvdb of=/dev/null bs=4k count=1 2>/dev/null")
    detach(client)


@pytest.mark.parametrize("after", [0.0, 0.15, 0.3, 0.6])
def test_a_cancelled_attachment_is_undone(client: Client, unchanged: None, after: float) -> None:
    operation = client.devices.attach_disk("guest", SECOND)
    time.sleep(after)
    try:
        client.cancel(operation.id)
        client.finish(operation)
    except Cancelled:
        assert numbers(client, "vbd") == [51712]
    except Conflict:  # it was quicker
        client.finish(operation)
        detach(client)
    else:
        detach(client)


def test_xl_and_xend_know_each_others_devices(lab_host: LabHost, client: Client, unchanged: None) -> None:
    attach(client)
    client.finish(client.devices.attach_nic("guest", Nic(bridge="xenbr0")))
    for kind, verb in (("vbd", "block-list"), ("vif", "network-list")):
        theirs = [line.split() for line in lab_host.run(["xl", verb, "guest"]).stdout.splitlines()[1:]]
        ours = client.devices.list("guest", kind)
        assert [int(row[0]) for row in theirs] == [device.devid for device in ours]
        assert [row[-1] for row in theirs] == [device.backend for device in ours]
    lab_host.run(["xl", "block-detach", "guest", "xvdb"])
    lab_host.run(["xl", "network-detach", "guest", "1"])
    # Who takes a device away behind xend's back is believed; what is kept of it has to be taken away too.
    eventually(lambda: numbers(client, "vbd") == [51712])
    attach(client)
    detach(client)
    client.finish(client.devices.attach_nic("guest", Nic(devid=1, bridge="xenbr0")))
    client.finish(client.devices.detach_nic("guest", "1"))


#: libxl itself attaches a device to a domain: domid, kind, document
BY_LIBXL = """
import json, sys
from domus.xen.libxl import Libxl
libxl = Libxl.open()
libxl.add_device(int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
"""

DISKS = [
    Disk(vdev="xvdd", target="LOOP"),
    Disk(vdev="xvdd", target="LOOP", writable=False),
    Disk(vdev="xvdd", target="LOOP", direct_io_safe=True, discard=False, trusted=False),
]
NICS = [
    Nic(devid=3, bridge="xenbr0", mac="00:16:3e:00:00:01"),
    Nic(
        devid=3, bridge="xenbr0", mac="00:16:3e:00:00:02", mtu=1400, vifname="odd0", ips=("10.0.0.1", "::1"),
        rate_bytes=1000, rate_interval_us=50000, gateway_device="eth9", vlan="3", trusted=False,
    ),
]  # fmt: skip


@pytest.mark.parametrize("device", [*DISKS, *NICS], ids=lambda device: type(device).__name__)
def test_what_xend_writes_for_a_device_is_what_libxl_writes(
    lab_host: LabHost, client: Client, unchanged: None, device: Disk | Nic
) -> None:
    if isinstance(device, Nic) and device.vlan and lab_host.shape.suite is Suite.BOOKWORM:
        with pytest.raises(BadInput, match=r"VLAN takes Xen 4\.20"):
            client.finish(client.devices.attach_nic("guest", device))
        return
    loop = lab_host.run(["losetup", "-f", "--show", IMAGE]).stdout.strip()
    domid = client.domain("guest").domid or 0
    client.pause("guest")
    tell_vlans_apart = ["ip", "link", "set", "xenbr0", "type", "bridge", "vlan_filtering"]
    lab_host.run([*tell_vlans_apart, "1"])
    try:
        if isinstance(device, Disk):
            device = replace(device, target=loop)
            client.finish(client.devices.attach_disk("guest", device))
            ours = nodes(lab_host, domid, "vbd/DOM/51760")
            detach(client, "xvdd", force=True)
            document = disk_json(replace(device, backend="phy"), "/bin/true")
            by_libxl(lab_host, domid, "disk", document)
            theirs = plugged_nodes(lab_host, domid, "vbd/DOM/51760")
            detach(client, "xvdd", force=True)
        else:
            client.finish(client.devices.attach_nic("guest", device))
            ours = nodes(lab_host, domid, "vif/DOM/3")
            client.finish(client.devices.detach_nic("guest", "3", force=True))
            by_libxl(lab_host, domid, "nic", nic_json(device, 3, "/bin/true"))
            theirs = plugged_nodes(lab_host, domid, "vif/DOM/3")
            client.finish(client.devices.detach_nic("guest", "3", force=True))
    finally:
        lab_host.run([*tell_vlans_apart, "0"])
        client.unpause("guest")
        lab_host.run(["losetup", "-d", loop])
    assert len(theirs) > 30
    assert ours == theirs


def plugged_nodes(host: LabHost, domid: int, device: str) -> list[str]:
    """`nodes`, once xend has plugged it: libxl does not wait for that."""
    eventually(lambda: any('hotplug-status = "connected"' in line for line in nodes(host, domid, device)))
    return nodes(host, domid, device)


def by_libxl(host: LabHost, domid: int, kind: str, document: dict[str, object]) -> None:
    host.run(["python3", "-c", BY_LIBXL, str(domid), kind, json.dumps(document)])


def nodes(host: LabHost, domid: int, device: str) -> list[str]:
    """All that XenStore has of a device, with the permissions, whatever the order."""
    kind, _, devid = device.split("/")
    places = (
        f"/libxl/{domid}/device/{kind}/{devid}",
        f"/local/domain/{domid}/device/{kind}/{devid}",
        f"/local/domain/0/backend/{kind}/{domid}/{devid}",
    )
    script = "; ".join(f"xenstore-ls -fp {place}" for place in places)
    found = sorted(host.run(["sh", "-c", script]).stdout.splitlines())
    assert {place for place in places if any(line.startswith(place) for line in found)} == set(places)
    return found


def test_rounds_of_attaching_and_detaching_leave_the_host_as_before(client: Client, unchanged: None) -> None:
    for _ in range(ROUNDS):
        attach(client)
        client.finish(client.devices.attach_nic("guest", Nic(bridge="xenbr0")))
        detach(client)
        client.finish(client.devices.detach_nic("guest", "1"))


def kill_xend(host: LabHost) -> None:
    """SIGKILL; on return the next xend answers."""
    pid = host.run(["cat", "/run/domus/xend.pid"]).stdout
    host.run(["kill", "-9", pid.strip()])

    def answers() -> bool:
        if host.run(["cat", "/run/domus/xend.pid"], check=False).stdout in (pid, ""):
            return False
        try:
            with host.client() as client:
                client.api()
        except Unreachable:
            return False
        return True

    eventually(answers)


@pytest.mark.parametrize("after", [0.0, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("verb", ["attach", "detach"])
def test_xend_killed_in_the_middle_leaves_a_device_that_is_whole_or_none(
    lab_host: LabHost, client: Client, unchanged: None, verb: str, after: float
) -> None:
    if verb == "detach":
        attach(client)
        operation = client.devices.detach_disk("guest", "xvdb")
    else:
        operation = client.devices.attach_disk("guest", SECOND)
    time.sleep(after)
    kill_xend(lab_host)
    ended = client.operation(operation.id).state
    assert ended in (OperationState.FAILED, OperationState.DONE)
    there = 51728 in numbers(client, "vbd")
    assert there == any(disk.vdev == "xvdb" for disk in client.config("guest").disks)
    if verb == "attach":
        assert there == (ended is OperationState.DONE)
    elif ended is OperationState.DONE:
        assert not there
    if there:
        detach(client)


@pytest.mark.soak
def test_what_xl_attaches_and_takes_is_kept_like_that(
    lab_host: LabHost, client: Client, booted: None
) -> None:
    def kept() -> tuple[list[str], int]:
        config = client.config("guest")
        return [f"{disk.vdev} {disk.target}" for disk in config.disks], len(config.nics)

    (first,), cards = kept()
    lab_host.run(["xl", "block-attach", "guest", f"{IMAGE},raw,xvdb,w"])
    lab_host.run(["xl", "network-attach", "guest", "bridge=xenbr0"])
    eventually(lambda: kept() == ([first, f"xvdb {IMAGE}"], cards + 1))
    lab_host.run(["xl", "block-detach", "guest", "xvdb"])
    lab_host.run(["xl", "network-detach", "guest", str(cards)])
    eventually(lambda: kept() == ([first], cards))


def test_what_is_attached_is_there_again_after_a_reboot(client: Client, booted: None) -> None:
    attach(client)
    client.finish(client.devices.attach_nic("guest", Nic(bridge="xenbr0", mac="00:16:3e:0a:0b:0d")))
    first = client.domain("guest").domid or 0

    def came_back() -> bool:
        settled = all(operation.state.final for operation in client.operations())
        return settled and any(
            info.name == "guest" and (info.domid or 0) > first for info in client.domains()
        )

    client.shutdown("guest", ShutdownKind.REBOOT)
    eventually(came_back)
    wait_until_up(client)
    assert numbers(client, "vbd") == [51712, 51728]
    assert [device.backend_nodes["mac"] for device in client.devices.list("guest", "vif")][1:] == [
        "00:16:3e:0a:0b:0d"
    ]
    detach(client)
    client.finish(client.devices.detach_nic("guest", "1"))


def test_nothing_is_left_when_the_guest_is_gone(lab_host: LabHost, client: Client, booted: None) -> None:
    attach(client)
    client.finish(client.destroy("guest"))
    left = traces(lab_host)
    assert left["loop devices"] == []
    assert not [port for port in left["bridge ports"] if port.startswith("vif")]
    assert not [line for line in left["XenStore"] if "/vbd/" in line or "/vif/" in line]
