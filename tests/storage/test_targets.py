"""What can be a disk's target, and what is said about the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domus.model.errors import BadInput, Conflict, NotFound
from domus.storage import dom0_use, host_disks, targets


def image(path: Path, size: int = 1 << 20) -> Path:
    path.write_bytes(b"")
    os.truncate(path, size)
    return path


def test_an_image_file_is_found_behind_symbolic_links(tmp_path: Path) -> None:
    real = image(tmp_path / "real.img")
    (tmp_path / "link.img").symlink_to(real)
    target = targets.inspect(str(tmp_path / "link.img"), writable=True)
    assert (target.path, target.is_file, target.size_bytes) == (str(real), True, 1 << 20)


def test_a_missing_image_is_said_in_xms_words(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        targets.inspect(f"{tmp_path}/no.img", writable=True, where="disk[0]")
    assert caught.value.for_user() == f"disk[0]: Disk image does not exist: {tmp_path}/no.img"


def test_a_path_through_a_file_is_missing_too(tmp_path: Path) -> None:
    image(tmp_path / "file")
    with pytest.raises(NotFound, match="does not exist"):
        targets.inspect(f"{tmp_path}/file/disk.img", writable=True)


@pytest.mark.parametrize(("size", "message"), [(0, "is empty"), (511, "is empty"), (1000, "is truncated")])
def test_an_image_without_whole_sectors_is_refused(tmp_path: Path, size: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        targets.inspect(str(image(tmp_path / "a.img", size)), writable=False)


def test_a_directory_is_no_disk(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a directory"):
        targets.inspect(str(tmp_path), writable=True)


def test_a_pipe_is_no_disk_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="is a pipe"):
        targets.inspect(str(tmp_path / "pipe"), writable=False)


@pytest.mark.parametrize("target", ["relative.img", "", "/with\0zero"])
def test_only_absolute_paths_are_taken(target: str) -> None:
    with pytest.raises(BadInput, match="not an absolute path"):
        targets.inspect(target, writable=True)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's procfs")
def test_a_file_that_cannot_be_written_is_refused_for_a_writable_disk(tmp_path: Path) -> None:
    path = image(tmp_path / "a.img")
    path.chmod(0o444)
    if os.geteuid() == 0:
        pytest.skip("root may write it")
    with pytest.raises(Conflict, match="cannot be written"):
        targets.inspect(str(path), writable=True)
    assert targets.inspect(str(path), writable=False).is_file


def fake_disk(sys_block: Path, name: str, serial: bytes, *, sectors: int = 2048, page: bool = True) -> None:
    (sys_block / name / "device").mkdir(parents=True)
    (sys_block / name / "size").write_text(f"{sectors}\n")
    (sys_block / name / "ro").write_text("0\n")
    if page:
        data = b"\x00\x80" + len(serial).to_bytes(2, "big") + serial
        (sys_block / name / "device/vpd_pg80").write_bytes(data)
    else:
        (sys_block / name / "serial").write_bytes(serial)


def test_a_lun_is_found_by_its_serial_number(tmp_path: Path) -> None:
    fake_disk(tmp_path, "sda", b"ROOT")
    fake_disk(tmp_path, "sdb", b"  4711 ")
    fake_disk(tmp_path, "vda", b"virtual", page=False)
    fake_disk(tmp_path, "loop0", b"4711")
    assert host_disks.find("4711", tmp_path).device == "/dev/sdb"
    assert host_disks.find("virtual", tmp_path).size_bytes == 2048 * 512


def test_two_luns_of_one_serial_number_are_refused(tmp_path: Path) -> None:
    fake_disk(tmp_path, "sda", b"4711")
    fake_disk(tmp_path, "sdb", b"4711")
    with pytest.raises(Conflict, match="/dev/sda, /dev/sdb"):
        host_disks.find("4711", tmp_path)


@pytest.mark.parametrize("serial", ["", "4712"])
def test_a_serial_number_that_no_disk_has_is_not_found(tmp_path: Path, serial: str) -> None:
    fake_disk(tmp_path, "sda", b"")
    with pytest.raises(NotFound):
        host_disks.find(serial, tmp_path)


@pytest.mark.parametrize("page", [b"", b"\x00", b"\x00\x83\x00\x04abcd", b"\x00\x80\x00\x00"])
def test_a_broken_serial_page_has_no_serial_number(page: bytes) -> None:
    assert host_disks.vpd_serial(page) == ""


MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:17 / /srv/with\\040blank ro,relatime - ext4 /dev/sdb1 rw
31 22 0:40 / /data rw - btrfs /dev/sdc rw,space_cache
broken line
"""


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"8:1": "/dev/sda1"}, dom0_use.Use("mounted on /", read_only=False)),
        ({"8:17": "/dev/sdb1"}, dom0_use.Use("mounted on /srv/with blank", read_only=True)),
        ({"8:32": "/dev/sdc"}, dom0_use.Use("mounted on /data", read_only=False)),
        (
            {"8:16": "/dev/sdb", "8:17": "/dev/sdb1"},
            dom0_use.Use("mounted on /srv/with blank", read_only=True),
        ),
        ({"8:99": "/dev/sdx"}, None),
    ],
)
def test_a_mounted_device_or_partition_is_noticed(
    numbers: dict[str, str], expected: dom0_use.Use | None
) -> None:
    assert dom0_use.mounted(dom0_use.parse_mounts(MOUNTINFO), numbers) == expected


def test_the_filesystem_that_this_test_runs_on_is_in_use_by_dom0() -> None:
    source = Path("/").stat().st_dev
    number = targets.DeviceNumber.of(source)
    if not (targets.SYS_DEV_BLOCK / str(number)).exists():
        pytest.skip("/ is on no block device")
    use = dom0_use.of_device(number, "/dev/root")
    assert use is not None
    assert use.text.startswith("mounted on /")
