"""One disk under several names is one disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domus.storage import footprint, loop
from domus.storage.footprint import Footprint


def test_a_hard_link_is_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(bytes(512))
    (tmp_path / "b.img").hardlink_to(tmp_path / "a.img")
    (tmp_path / "c.img").write_bytes(bytes(512))
    a, b, c = (footprint.of_path(tmp_path / f"{name}.img") for name in "abc")
    assert a.overlaps(b)
    assert not a.overlaps(c)


def test_what_is_neither_file_nor_device_overlaps_nothing(tmp_path: Path) -> None:
    assert not footprint.of_path(tmp_path).overlaps(footprint.of_path(tmp_path))
    assert footprint.of_path(tmp_path / "none") == Footprint()


def test_two_parts_of_a_disk_are_apart_and_each_is_part_of_it() -> None:
    disk = Footprint(frozenset({"device 8:0"}))
    one, two = (Footprint(frozenset({f"device 8:{n}"}), disk.own) for n in (1, 2))
    assert one.overlaps(disk)
    assert disk.overlaps(two)
    assert not one.overlaps(two)


@pytest.mark.skipif(os.geteuid() != 0 or not loop.CONTROL.exists(), reason="needs root and /dev/loop-control")
def test_a_loop_device_is_its_file(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    with loop.attach(image, read_only=True) as device:
        assert footprint.of_path(device.path).overlaps(footprint.of_path(image))
