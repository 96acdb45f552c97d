"""What boots a guest without a kernel, and what is believed of what a bootloader hands over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domus.domains import bootloaders
from domus.domains.bootloaders import _Cell, _kept, _parsed
from domus.model.config import Disk, DomainConfig, GuestType
from domus.model.errors import BadInput, HostProblem
from domus.storage.blobs import BlobStore

DISKS = (Disk(vdev="xvda", target="/srv/a.img"),)


@pytest.fixture
def grub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[GuestType, str]:
    found = {}
    for kind in (GuestType.PV, GuestType.PVH):
        path = tmp_path / f"grub-{kind}"
        path.write_bytes(b"\x7fELF")
        found[kind] = str(path)
    monkeypatch.setattr(bootloaders, "_GRUBS", {kind: (path,) for kind, path in found.items()})
    return found


@pytest.mark.parametrize("guest_type", [GuestType.PV, GuestType.PVH])
@pytest.mark.parametrize("asked", [None, "pvgrub"])
def test_a_guest_without_a_kernel_boots_by_grub(
    grub: dict[GuestType, str], guest_type: GuestType, asked: str | None
) -> None:
    config = DomainConfig(name="a", guest_type=guest_type, disks=DISKS, bootloader=asked, cmdline="x")
    checked = bootloaders.check(config)
    assert (checked.kernel, checked.bootloader, checked.cmdline) == (grub[guest_type], None, "")


def test_a_guest_with_a_kernel_boots_that() -> None:
    config = DomainConfig(name="a", kernel="/boot/vmlinuz", disks=DISKS)
    assert bootloaders.check(config) == config


def test_pygrub_is_asked_later() -> None:
    for name in ("pygrub", "/usr/bin/pygrub"):
        config = DomainConfig(name="a", bootloader=name, disks=DISKS)
        assert bootloaders.check(config) == config


@pytest.mark.parametrize("name", ["domUloader", "/usr/lib/xen/boot/domUloader.py", "pypxeboot"])
def test_old_bootloaders_are_answered(name: str) -> None:
    with pytest.raises(BadInput, match="is gone"):
        bootloaders.check(DomainConfig(name="a", bootloader=name, disks=DISKS))


@pytest.mark.parametrize(
    "config",
    [
        DomainConfig(name="a"),
        DomainConfig(name="a", bootloader="pygrub"),
        DomainConfig(name="a", bootloader="pvgrub", kernel="/vmlinuz", disks=DISKS),
    ],
)
def test_what_cannot_boot_is_refused(config: DomainConfig) -> None:
    with pytest.raises(BadInput):
        bootloaders.check(config)


def test_a_host_without_grub_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootloaders, "_GRUBS", {GuestType.PV: ("/no/grub",)})
    with pytest.raises(HostProblem, match="no GRUB for pv guests"):
        bootloaders.check(DomainConfig(name="a", disks=DISKS))


def test_an_answer_is_words_that_end_with_zero() -> None:
    assert _parsed(b"kernel /x/k\0ramdisk /x/r\0args root=/dev/xvda1 ro\0") == {
        "kernel": "/x/k",
        "ramdisk": "/x/r",
        "args": "root=/dev/xvda1 ro",
    }
    assert _parsed(b"\xff\xfe nonsense\0kernel\0bootloader /x\0") == {}


@pytest.fixture
def cell(tmp_path: Path) -> _Cell:
    (tmp_path / "cell").mkdir()
    return _Cell(os.getuid(), tmp_path / "cell", tmp_path / "device")


def test_only_plain_files_of_its_own_folder_are_taken(tmp_path: Path, cell: _Cell) -> None:
    store = BlobStore(tmp_path / "blobs")
    (cell.folder / "kernel").write_bytes(b"a kernel")
    assert store.get(_kept(cell, f"{cell.folder}/kernel", store)).read_bytes() == b"a kernel"
    (tmp_path / "secret").write_bytes(b"secret")
    (cell.folder / "link").symlink_to(tmp_path / "secret")
    (cell.folder / "hard").hardlink_to(tmp_path / "secret")
    (cell.folder / "folder").mkdir()
    os.mkfifo(cell.folder / "pipe")
    for path in (
        "/etc/shadow",
        f"{tmp_path}/secret",
        f"{cell.folder}/../secret",
        f"{cell.folder}/folder/../../secret",
        *(f"{cell.folder}/{name}" for name in ("link", "hard", "folder", "pipe", "none", "..", "")),
    ):
        with pytest.raises(BadInput):
            _kept(cell, path, store)


def test_a_file_of_more_than_the_bound_is_not_taken(tmp_path: Path, cell: _Cell) -> None:
    (cell.folder / "huge").touch()
    os.truncate(cell.folder / "huge", (128 << 20) + 1)
    with pytest.raises(BadInput, match="no plain file"):
        _kept(cell, f"{cell.folder}/huge", BlobStore(tmp_path / "blobs"))
