"""Every form of a disk on real Xen: what the guest wrote is there afterwards, and nothing else is left."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.config import alone
from domus.model.errors import BadInput, DomusError, Forbidden, HostProblem, InUse, NotFound
from tests.domains.disks import MIB, SIZE, attach, check_bytes, detach, wait_for
from tests.domains.guests import Shell, create, eventually, in_guest, kill_xend, wait_until_up

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost
    from domus.model.config import Disk, DomainConfig
    from domus.model.operation import Event

pytestmark = pytest.mark.lab

#: what the disks of the tests are, made once
MAKE = f"""set -e
cd /root
truncate -s {SIZE} raw.img
truncate -s {SIZE} served.img
qemu-img create -q -f qcow2 image.qcow2 {SIZE}
truncate -s {SIZE} base.img
qemu-img create -q -f qcow2 -b /root/base.img -F raw over.qcow2
qemu-img create -q -f vpc -o subformat=dynamic,force_size=on image.vhd {SIZE}
# no udev here: LVM makes its device nodes itself
printf 'activation {{\\n udev_sync=0\\n udev_rules=0\\n}}\\n' >/etc/lvm/lvmlocal.conf
truncate -s 160M pv.img
loop=$(losetup -f --show pv.img)
pvcreate -q $loop
vgcreate -q vg0 $loop
lvcreate -q -y -n plain -L {SIZE}b vg0
lvcreate -q -y -T -L 64M -V {SIZE}b -n thin vg0/pool
modprobe nbd
qemu-nbd -f raw -b 127.0.0.1 -p 10810 -t --fork --pid-file=/run/nbd.pid served.img
nbd-client 127.0.0.1 10810 /dev/nbd0
nbd-client -d /dev/nbd0
mkdir -p links
ln raw.img links/other.img
"""

CONVERT = "qemu-img convert -f {} -O raw {} /tmp/out; cat /tmp/out"

#: a disk as xm has it, and what gives its bytes in dom0
FORMS = {
    "file:/root/raw.img": "cat /root/raw.img",
    "tap:aio:/root/raw.img": "cat /root/raw.img",
    "phy:/dev/vg0/plain": "cat /dev/vg0/plain",
    "phy:vg0/thin": "cat /dev/vg0/thin",
    "tap:qcow2:/root/image.qcow2": CONVERT.format("qcow2", "/root/image.qcow2"),
    "tap:qcow2:/root/over.qcow2": CONVERT.format("qcow2", "/root/over.qcow2"),
    "nbd:127.0.0.1 10810": "cat /root/served.img",
}


def xm_disk(uname: str, mode: str = "w") -> Disk:
    return alone.disk(f"{uname},xvdb,{mode}")


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


@pytest.fixture(scope="module")
def booted(lab_host: LabHost, client: Client, guest_config: DomainConfig) -> None:
    lab_host.run(["sh", "-c", MAKE])
    create(client, replace(guest_config, memory_mib=192))
    wait_until_up(client, "guest")


def revision(client: Client) -> int:
    """That of the last event."""
    return [event.revision for event in client.events(0, follow=False)][-1]


def told(client: Client, since: int, kind: str) -> Event:
    """The first event of this kind that comes."""
    found: list[Event] = []

    def is_told() -> bool:
        found[:] = [each for each in client.events(since, follow=False) if each.kind == kind]
        return bool(found)

    eventually(is_told)
    return found[0]


@pytest.mark.parametrize("uname", FORMS)
def test_what_a_guest_writes_to_a_disk_of_each_form_is_there_after_detaching(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None, uname: str
) -> None:
    check_bytes(lab_host, client, shell, xm_disk(uname), FORMS[uname])


def test_a_guests_discards_punch_holes_into_its_file(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    def allocated() -> int:
        return int(lab_host.run(["stat", "-c", "%b", "/root/raw.img"]).stdout)

    attach(client, xm_disk("file:/root/raw.img"))
    wait_for(shell, "/dev/xvdb")
    (device,) = [each for each in client.devices.list("guest", "vbd") if each.devid == 51728]
    assert device.backend_nodes["feature-discard"] == "1"
    shell.run("mke2fs /dev/xvdb >/dev/null 2>&1; mkdir -p /mnt; mount -t ext4 /dev/xvdb /mnt")
    shell.run("dd if=/dev/urandom of=/mnt/file bs=1M count=8 2>/dev/null; sync")
    full = allocated()
    shell.run("rm /mnt/file; sync; fstrim /mnt; umount /mnt")
    assert allocated() < full - 8 * MIB // 512 // 2
    detach(client)


@pytest.mark.parametrize(
    ("uname", "mode", "error", "message"),
    [
        ("file:/root/image.qcow2", "w", BadInput, "is a qcow2 image, and its configuration says raw"),
        ("tap:qcow2:/root/raw.img", "w", BadInput, "is no qcow2 image"),
        ("tap:qcow2:/root/none.qcow2", "w", NotFound, "Disk image does not exist"),
        ("file:/root/pv.img", "w", InUse, "part of dom0's /dev/dm-"),
        ("phy:/dev/vg0/none", "w", NotFound, "does not exist"),
        ("nbd:127.0.0.1 10811", "w", DomusError, "block-nbd"),
        # Debian's QEMU for Xen has no driver for it: QEMU's own word reaches the user.
        ("tap:vhd:/root/image.vhd", "w", HostProblem, "Unknown driver 'vpc'"),
    ],
)
def test_a_disk_that_cannot_be_used_as_said_is_refused(
    client: Client,
    booted: None,
    unchanged: None,
    uname: str,
    mode: str,
    error: type[DomusError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        attach(client, xm_disk(uname, mode))


def test_a_file_under_another_name_is_known(client: Client, unchanged: None) -> None:
    attach(client, xm_disk("file:/root/raw.img"))
    with pytest.raises(InUse, match="in use for writing by domain 'guest'"):
        attach(client, alone.disk("file:/root/links/other.img,xvdc,r"))
    detach(client)


def test_what_an_image_stands_on_is_not_written_by_another(
    client: Client, shell: Shell, unchanged: None
) -> None:
    attach(client, xm_disk("tap:qcow2:/root/over.qcow2"))
    wait_for(shell, "/dev/xvdb")
    with pytest.raises(InUse, match=r"/root/base\.img is in use read-only by domain 'guest'"):
        attach(client, alone.disk("file:/root/base.img,xvdc,w"))
    detach(client)


def test_a_file_that_another_program_has_locked_is_refused_and_ours_stay_locked_without_xend(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    locked = ["sh", "-c", "qemu-img bench -w -f raw -c 1 /root/raw.img"]
    attach(client, xm_disk("file:/root/raw.img"))
    wait_for(shell, "/dev/xvdb")
    kill_xend(lab_host)
    assert 'Failed to get "write" lock' in lab_host.run(locked, check=False).stderr
    detach(client)
    lab_host.run(locked)
    lab_host.run(["sh", "-c", "(sleep 30 | qemu-io -f raw /root/raw.img) >/dev/null 2>&1 & sleep 1"])
    try:
        with pytest.raises(InUse, match="is locked by a program or host"):
            attach(client, xm_disk("file:/root/raw.img"))
    finally:
        lab_host.run(["sh", "-c", "kill $(pidof qemu-io sleep)"])


def test_qemu_goes_on_when_xend_is_killed(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    attach(client, xm_disk("tap:qcow2:/root/image.qcow2"))
    wait_for(shell, "/dev/xvdb")
    kill_xend(lab_host)  # and the console with it
    in_guest(client, "guest", "dd if=/dev/zero of=/dev/xvdb bs=64k count=4 conv=fsync 2>/dev/null")
    detach(client)


def test_a_disk_whose_qemu_takes_its_backend_away_while_libxl_waits_for_it_is_gone(
    lab_host: LabHost, client: Client, unchanged: None
) -> None:
    attach(client, xm_disk("tap:qcow2:/root/image.qcow2"))
    domid = client.domain("guest").domid
    backend = f"/local/domain/0/backend/qdisk/{domid}/51728"
    # A QEMU that does not answer makes the moment long: libxl waits, and the backend goes as by QEMU.
    qemu = lab_host.run(["xenstore-read", f"/local/domain/{domid}/image/device-model-pid"]).stdout.strip()
    lab_host.run(["kill", "-STOP", qemu])
    try:
        operation = client.devices.detach_disk("guest", "xvdb", force=True)
        eventually(lambda: lab_host.run(["xenstore-read", f"{backend}/state"]).stdout.strip() == "5")
        lab_host.run(["xenstore-rm", backend])
    finally:
        lab_host.run(["kill", "-CONT", qemu])
    client.finish(operation)
    assert 51728 not in [device.devid for device in client.devices.list("guest", "vbd")]


@pytest.mark.parametrize("after", [0.3, 1.0])
def test_xend_killed_while_qemu_starts_leaves_a_disk_that_is_whole_or_none(
    lab_host: LabHost, client: Client, unchanged: None, after: float
) -> None:
    operation = client.devices.attach_disk("guest", xm_disk("tap:qcow2:/root/image.qcow2"))
    time.sleep(after)
    kill_xend(lab_host)
    assert client.operation(operation.id).state.final
    if any(device.devid == 51728 for device in client.devices.list("guest", "vbd")):
        detach(client)


SCRIPT = """#!/bin/sh
{{ echo "$@"; env | grep -e XENBUS -e script | sort; }} >>/root/script.log
case "$1" in
    add) xenstore-write "$XENBUS_PATH/physical-device" {number} "$XENBUS_PATH/hotplug-status" connected ;;
esac
"""


def test_a_users_script_runs_with_the_environment_that_xens_had(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    number = lab_host.run(["stat", "-L", "-c", "%t:%T", "/dev/vg0/plain"]).stdout.strip()
    lab_host.put(SCRIPT.format(number=number).encode(), "/etc/xen/scripts/block-mine")
    lab_host.run(["chmod", "755", "/etc/xen/scripts/block-mine"])
    attach(client, xm_disk("mine:something here"))
    wait_for(shell, "/dev/xvdb")
    detach(client)
    log = lab_host.run(["cat", "/root/script.log"]).stdout.splitlines()
    assert [line for line in log if "=" not in line] == ["add", "remove"]
    path = next(line for line in log if line.startswith("XENBUS_PATH="))
    assert path.endswith("/51728")
    assert "XENBUS_TYPE=vbd" in log
    assert "XENBUS_BASE_PATH=backend" in log
    assert "script=/etc/xen/scripts/block-mine" in log


@pytest.mark.parametrize(
    ("text", "mode", "error", "message"),
    [
        ("#!/bin/sh\nexit 0\n", "755", HostProblem, "was not ready"),
        (
            "#!/bin/sh\nxenstore-write $XENBUS_PATH/hotplug-error 'no such LUN'; exit 7\n",
            "755",
            DomusError,
            "no such LUN",
        ),
        ("#!/bin/sh\nexit 0\n", "777", Forbidden, "can be written by others than root"),
        ("#!/bin/sh\nexit 0\n", "644", BadInput, 'type "bad" is invalid'),
    ],
)
def test_a_script_that_does_not_do_its_part_is_told(
    lab_host: LabHost,
    client: Client,
    unchanged: None,
    text: str,
    mode: str,
    error: type[DomusError],
    message: str,
) -> None:
    lab_host.put(text.encode(), "/etc/xen/scripts/block-bad")
    lab_host.run(["chmod", mode, "/etc/xen/scripts/block-bad"])
    with pytest.raises(error, match=message):
        attach(client, xm_disk("bad:x"))


@pytest.mark.parametrize(
    ("uname", "make"),
    [
        ("file:/small/full.img", f"truncate -s {SIZE} /small/full.img"),
        ("tap:qcow2:/small/full.qcow2", f"qemu-img create -q -f qcow2 /small/full.qcow2 {SIZE}"),
    ],
)
def test_a_disk_whose_store_is_full_is_told(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None, uname: str, make: str
) -> None:
    lab_host.run(["sh", "-c", f"mkdir -p /small && mount -t tmpfs -o size=8M small /small && {make}"])
    try:
        attach(client, xm_disk(uname))
        wait_for(shell, "/dev/xvdb")
        since = revision(client)
        # No zeroes: QEMU takes them for discards, and nothing fills.
        shell.run("dd if=/dev/urandom of=/dev/xvdb bs=64k count=256 conv=fsync 2>/dev/null; true")
        event = told(client, since, "disk.failed")
        assert (event.detail["devid"], event.domain) == ("51728", "guest")
        assert event.detail["path"] == uname.rpartition(":")[2]
        assert "/small" in [store.name for store in client.storage().stores if store.warning]
    finally:
        detach(client)
        lab_host.run(["umount", "/small"])


@pytest.mark.soak
def test_a_store_that_fills_is_told_before_it_is_full(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None
) -> None:
    make = f"mkdir -p /filling && mount -t tmpfs -o size=16M filling /filling && truncate -s {SIZE}"
    make += " /filling/it.img"
    lab_host.run(["sh", "-c", make])
    try:
        attach(client, xm_disk("file:/filling/it.img"))
        wait_for(shell, "/dev/xvdb")
        since = revision(client)
        shell.run("dd if=/dev/urandom of=/dev/xvdb bs=64k count=245 conv=fsync 2>/dev/null")
        assert told(client, since, "store.filling").detail["store"] == "/filling"
    finally:
        detach(client)
        lab_host.run(["umount", "/filling"])


@pytest.mark.parametrize("device", ["/dev/sda", "/dev/mapper/above"])
def test_a_disk_that_fails_is_told_also_through_device_mapper(
    lab_host: LabHost, client: Client, shell: Shell, unchanged: None, device: str
) -> None:
    # The kernel's own SCSI disk for tests: ten sectors from 0x1234 on cannot be read.
    make = "modprobe scsi_debug dev_size_mb=32 opts=2 && for i in $(seq 50); do [ -b /dev/sda ] && break;"
    make += " sleep 0.1; done; "
    if device != "/dev/sda":  # without udev, dmsetup makes nodes only when it is told to
        make += "dmsetup create --noudevsync above --table '0 65536 linear /dev/sda 0' && dmsetup mknodes"
    lab_host.run(["sh", "-c", make])
    try:
        attach(client, xm_disk(f"phy:{device}"))
        wait_for(shell, "/dev/xvdb")
        since = revision(client)
        shell.run("! dd if=/dev/xvdb of=/dev/null bs=512 skip=4660 count=1 2>/dev/null")
        event = told(client, since, "disk.failed")
        assert (event.detail["devid"], event.domain, event.detail["request"]) == ("51728", "guest", "read")
        assert "medium error" in event.detail["what"]
        assert ("sda below it" in event.detail["what"]) == (device != "/dev/sda")
    finally:
        detach(client)
        lab_host.run(
            ["sh", "-c", "dmsetup remove --noudevsync above 2>/dev/null; dmsetup mknodes; rmmod scsi_debug"]
        )


def test_what_disks_there_are_and_who_has_them_is_listed(client: Client, unchanged: None) -> None:
    attach(client, xm_disk("phy:vg0/thin"))
    attach(client, alone.disk("tap:qcow2:/root/over.qcow2,xvdc,w"))
    found = client.storage()
    disks = {disk.path: disk for disk in found.disks}
    (thin,) = [disk for disk in found.disks if disk.store == "vg0/pool"]
    assert [(use.domain, use.vdev, use.running) for use in thin.uses] == [("guest", "xvdb", True)]
    over = disks["/root/over.qcow2"]
    assert (over.format, [use.vdev for use in over.uses]) == ("qcow2", ["xvdc"])
    assert {"/", "vg0", "vg0/pool"} <= {store.name for store in found.stores}
    detach(client)
    client.finish(client.devices.detach_disk("guest", "xvdc", force=False))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_five_hundred_rounds_of_every_form_leave_the_host_as_before(client: Client, unchanged: None) -> None:
    rounds = int(os.environ.get("DOMUS_ROUNDS", "500"))
    for number in range(rounds):
        attach(client, xm_disk(list(FORMS)[number % len(FORMS)]))
        detach(client)


def test_nothing_is_left_of_qemu_when_the_guest_is_gone(
    lab_host: LabHost, client: Client, booted: None
) -> None:
    attach(client, xm_disk("tap:qcow2:/root/image.qcow2"))
    client.finish(client.destroy("guest"))
    eventually(lambda: "qemu-system" not in lab_host.run(["ps", "-e"]).stdout)
    assert lab_host.run(["ls", "/run/xen"]).stdout.split() == ["domid-history"]
