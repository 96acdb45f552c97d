"""Who may have a disk, and when a vbd's backend is answered."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.devices import vbd
from domus.devices.backends import NO_SCRIPT, DeviceKind, DeviceRef
from domus.devices.vbd import Claim, Plugging
from domus.model.config import Disk, DiskFormat, GuestType
from domus.model.errors import InUse
from domus.storage.footprint import Footprint
from domus.storage.targets import DeviceNumber

DEVICE = DeviceRef(DeviceKind.VBD, 3, 51712)
NUMBERS = st.builds(DeviceNumber, st.integers(0, 4095), st.integers(0, (1 << 20) - 1))


def nodes(**changed: str | None) -> dict[str, str | None]:
    usual: dict[str, str | None] = {
        "script": NO_SCRIPT,
        "state": "2",
        "hotplug-status": None,
        "physical-device": None,
        "params": "/dev/loop0",
        "mode": "w",
    }
    return usual | {name.replace("_", "-"): value for name, value in changed.items()}


@given(NUMBERS)
def test_a_device_number_survives_its_node(number: DeviceNumber) -> None:
    assert vbd.parse_physical_device(vbd.physical_device(number)) == number


def test_the_kernel_reads_hexadecimal_without_prefix() -> None:
    assert vbd.physical_device(DeviceNumber(259, 10)) == "103:a"


@given(st.none() | st.text(max_size=20))
def test_a_broken_number_is_none(text: str | None) -> None:
    vbd.parse_physical_device(text)


@pytest.mark.parametrize("state", ["1", "2"])
def test_a_waiting_backend_of_ours_is_answered(state: str) -> None:
    assert vbd.decide(DEVICE, nodes(state=state)) == vbd.Connect(DEVICE, "/dev/loop0")


@pytest.mark.parametrize(
    "changed",
    [
        {"script": "/etc/xen/scripts/block"},
        {"script": None},
        {"state": "4"},
        {"state": "5"},
        {"state": None},
        {"hotplug_status": "connected"},
        {"hotplug_status": "error"},
    ],
)
def test_other_backends_are_left_alone(changed: dict[str, str | None]) -> None:
    assert vbd.decide(DEVICE, nodes(**changed)) is None


def test_a_file_is_no_answer_for_a_backend(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(OSError, match="not a block device"):
        vbd.answer(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("disk", "guest_type", "how"),
    [
        (Disk(vdev="xvda", target="/a"), GuestType.PV, Plugging.LOOP),
        (Disk(vdev="xvda", target="/a", backend="phy"), GuestType.PVH, Plugging.LOOP),
        (Disk(vdev="xvda", target="/a", backend="qdisk"), GuestType.PV, Plugging.QEMU),
        (Disk(vdev="xvda", target="/a", format=DiskFormat.QCOW2), GuestType.PV, Plugging.QEMU),
        (Disk(vdev="hdc", target="/a.iso", cdrom=True), GuestType.HVM, Plugging.QEMU),
        (Disk(vdev="hdc", target="/a.iso", cdrom=True), GuestType.PV, Plugging.LOOP),
        (Disk(vdev="hdc", cdrom=True), GuestType.HVM, Plugging.EMPTY),
        (Disk(vdev="xvda", target="/a", backend_domain="storage"), GuestType.PV, Plugging.ELSEWHERE),
        (Disk(vdev="xvda", target="iqn.x", script="block-iscsi"), GuestType.PV, Plugging.SCRIPT),
    ],
)
def test_a_disk_reaches_its_backend_in_the_way_that_fits(
    disk: Disk, guest_type: GuestType, how: Plugging
) -> None:
    assert vbd.plugging(disk, guest_type) is how


def claim(path: str, *, writable: bool, shared: bool = False, number: DeviceNumber | None = None) -> Claim:
    own = path if number is None else f"device {number}"
    return Claim("disk[0]", path, Footprint(frozenset({own})), writable, shared)


@pytest.mark.parametrize(("mine", "theirs"), list(product([True, False], repeat=2)))
def test_a_disk_is_shared_only_among_readers(mine: bool, theirs: bool) -> None:
    other = replace(claim("/a.img", writable=theirs), who="domain 'web'")
    if mine or theirs:
        with pytest.raises(InUse, match=r"/a.img is in use (for writing|read-only) by domain 'web'"):
            vbd.check_claim(claim("/a.img", writable=mine), [other])
    else:
        vbd.check_claim(claim("/a.img", writable=mine), [other])


def test_w_exclamation_mark_lets_several_write() -> None:
    vbd.check_claim(claim("/a.img", writable=True, shared=True), [claim("/a.img", writable=True)])


def test_one_device_under_two_names_is_one_disk() -> None:
    number = DeviceNumber(253, 3)
    with pytest.raises(InUse):
        vbd.check_claim(
            claim("/dev/mapper/vg-web", writable=True, number=number),
            [claim("/dev/dm-3", writable=False, number=number)],
        )


def test_two_image_files_are_two_disks() -> None:
    vbd.check_claim(claim("/a.img", writable=True), [claim("/b.img", writable=True)])


def test_a_disk_that_qemu_serves_is_known_by_its_file(tmp_path: Path) -> None:
    device = DeviceRef(DeviceKind.QDISK, 3, 51712)
    occupant = vbd.occupant(device, nodes(params=f"qcow2:{tmp_path}/a.qcow2", mode="r"))
    assert occupant.path() == f"{tmp_path}/a.qcow2"
    assert not occupant.writable
