"""The files that configurations name, looked up on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.config.files import doubts, format_of, wrong_formats
from domus.model.config import P9, Disk, DiskFormat, DomainConfig, GuestType, Hvm, Nic

QCOW2 = b"QFI\xfb\0\0\0\3" + bytes(504)
RAW = DomainConfig(name="d", kernel="/dev/null")


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"", "raw"),
        (bytes(2048), "raw"),
        (QCOW2, "qcow2"),
        (b"QFI\xfb\0\0\0\1" + bytes(99), "qcow"),
        (b"QED\0" + bytes(508), "qed"),
        (b"conectix" + bytes(1016), "vhd"),
        (bytes(1024) + b"conectix" + bytes(504), "vhd"),
        (b"vhdxfile" + bytes(504), "vhdx"),
        (b"KDMV" + bytes(508), "vmdk"),
        (b"# Disk DescriptorFile\nversion=1\n", "vmdk"),
    ],
)
def test_an_image_shows_its_format(tmp_path: Path, content: bytes, form: str) -> None:
    (tmp_path / "image").write_bytes(content)
    assert format_of(tmp_path / "image") == form


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    assert format_of(Path("/dev/null")) is None
    assert format_of(tmp_path) is None
    assert format_of(tmp_path / "none") is None
    assert format_of(Path("/a\0b")) is None


def test_an_image_of_another_format_than_declared_is_told(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(QCOW2)
    disk = Disk(vdev="xvda", target=str(image))
    config = DomainConfig(
        name="d", disks=(disk, Disk(vdev="xvdb", target=str(image), format=DiskFormat.QCOW2))
    )
    assert list(wrong_formats(config)) == [f"disk[0]: {image} is declared raw but looks like qcow2"]
    image.write_bytes(bytes(512))
    assert list(wrong_formats(config)) == [f"disk[1]: {image} does not begin as an image in the format qcow2"]


def test_a_disk_that_another_machine_serves_is_not_looked_up() -> None:
    disks = (
        Disk(vdev="xvda", target="/no/such", backend_domain="storage"),
        Disk(vdev="xvdc", target="lun:data"),
        Disk(vdev="xvdd", cdrom=True, format=DiskFormat.EMPTY),
    )
    assert list(doubts(DomainConfig(name="d", kernel="/dev/null", disks=disks))) == []


def test_everything_that_is_not_here_is_told_at_once(tmp_path: Path) -> None:
    config = DomainConfig(
        name="d",
        kernel="/no/kernel",
        ramdisk="/no/initrd",
        device_tree="/no/tree",
        disks=(
            Disk(vdev="xvda", target="/no/image"),
            Disk(vdev="xvdb", target=str(tmp_path)),
            Disk(vdev="xvdc", target="/dev/null"),
            Disk(vdev="xvdd", target="store", script="block-nosuch"),
        ),
        nics=(Nic(script="vif-nosuch"),),
        p9s=(P9(tag="t", path="/no/directory", security_model="none"),),
    )
    assert list(doubts(config)) == [
        'Cannot find kernel "/no/kernel"',
        'Cannot find ramdisk "/no/initrd"',
        "device_tree: /no/tree: no such file",
        "disk[3]: no script /etc/xen/scripts/block-nosuch that can be run",
        "vif[0]: no script /etc/xen/scripts/vif-nosuch that can be run",
        "disk[0]: /no/image: no such file",
        f"disk[1]: {tmp_path} is a directory",
        "disk[2]: /dev/null is neither a file nor a block device",
        "p9[0]: /no/directory: no such directory",
    ]


def test_firmware_and_bootloaders_are_files_too() -> None:
    hvm = DomainConfig(name="d", guest_type=GuestType.HVM, hvm=Hvm(system_firmware="/no/ovmf"))
    assert list(doubts(hvm)) == ["bios_path_override: /no/ovmf: no such file"]
    booted = DomainConfig(name="d", bootloader="no-such-bootloader", kernel="/in/the/guest")
    assert list(doubts(booted)) == ["bootloader: no program no-such-bootloader here"]
    assert list(doubts(DomainConfig(name="d", bootloader="sh"))) == []
