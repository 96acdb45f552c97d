"""An image is what its configuration says, whole, and stands on nothing that a guest could have chosen."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from domus.model.config import DiskFormat
from domus.model.errors import BadInput, NotFound
from domus.storage import formats

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")


def qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", *words], check=True, capture_output=True)


def made(path: Path, form: str, *more: str) -> Path:
    qemu_img("create", "-f", form, *more, path, "8M")
    return path


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (DiskFormat.QCOW2, "qcow2"),
        (DiskFormat.QCOW, "qcow"),
        (DiskFormat.QED, "qed"),
        (DiskFormat.VHD, "vpc"),
    ],
)
def test_an_image_of_each_format_is_known(tmp_path: Path, form: DiskFormat, name: str) -> None:
    image = made(tmp_path / "a", name)
    assert formats.examine(str(image), form, "disk[0]") == []
    with pytest.raises(BadInput, match=f"is a {form} image, and its configuration says raw"):
        formats.check_raw(str(image), "disk[0]")


def test_a_vhd_of_fixed_size_is_known_by_its_footer(tmp_path: Path) -> None:
    image = made(tmp_path / "a", "vpc", "-o", "subformat=fixed,force_size=on")
    assert formats.examine(str(image), DiskFormat.VHD, "") == []
    os.truncate(image, image.stat().st_size - 512)
    with pytest.raises(BadInput) as caught:
        formats.examine(str(image), DiskFormat.VHD, "")
    assert "cut short" in caught.value.for_user()


@pytest.mark.parametrize("form", [DiskFormat.QCOW2, DiskFormat.VHD])
def test_a_raw_image_is_not_taken_for_another_format(tmp_path: Path, form: DiskFormat) -> None:
    image = tmp_path / "raw"
    image.write_bytes(bytes(1 << 20))
    formats.check_raw(str(image), "")
    with pytest.raises(BadInput, match=f"is no {form} image"):
        formats.examine(str(image), form, "")


def test_the_images_that_one_stands_on_are_found(tmp_path: Path) -> None:
    base = tmp_path / "base.img"
    base.write_bytes(bytes(8 << 20))
    middle, top = tmp_path / "middle.qcow2", tmp_path / "top.qcow2"
    qemu_img("create", "-f", "qcow2", "-b", base, "-F", "raw", middle)
    qemu_img("create", "-f", "qcow2", "-b", middle, "-F", "qcow2", top)
    assert formats.examine(str(top), DiskFormat.QCOW2, "") == [str(middle), str(base)]
    base.unlink()
    with pytest.raises(NotFound, match=r"base\.img"):
        formats.examine(str(top), DiskFormat.QCOW2, "disk[1]")


def test_a_backing_file_whose_format_would_be_guessed_is_refused(tmp_path: Path) -> None:
    base, top = made(tmp_path / "base", "qcow2"), made(tmp_path / "top", "qcow2")
    qemu_img("rebase", "-u", "-F", "qcow2", "-b", base, top)
    # The header extension that names the format becomes one that nobody knows (QEMU docs/interop/qcow2.txt).
    data = top.read_bytes()
    top.write_bytes(data.replace(b"\xe2\x79\x2a\xca", b"\x12\x34\x56\x78", 1))
    with pytest.raises(BadInput, match=r"does not say which format its backing file .* has"):
        formats.examine(str(top), DiskFormat.QCOW2, "")


@pytest.mark.parametrize("name", ["nbd://192.0.2.1/x", 'json:{"driver":"null-co"}'])
def test_a_backing_file_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    top = made(tmp_path / "top", "qcow2")
    qemu_img("rebase", "-u", "-F", "raw", "-b", name, top)
    with pytest.raises(BadInput, match="is no file of this host"):
        formats.examine(str(top), DiskFormat.QCOW2, "")


def test_a_truncated_qcow2_image_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "a.qcow2"
    full = tmp_path / "full"
    full.write_bytes(os.urandom(8 << 20))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", full, image)
    assert formats.examine(str(image), DiskFormat.QCOW2, "") == []
    os.truncate(image, 4 << 20)
    with pytest.raises(BadInput, match=r"truncated|damaged"):
        formats.examine(str(image), DiskFormat.QCOW2, "")
