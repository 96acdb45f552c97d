"""How full it is where disks are stored, from what statvfs and LVM say."""

from __future__ import annotations

from pathlib import Path

import pytest

from domus.model.storage import Store
from domus.storage import space

GIB = 1 << 30


def volume(
    name: str, size: int, pool: str = "", data: str = "", meta: str = "", kind: str = "thin"
) -> dict[str, str]:
    return {
        "vg_name": "vg0",
        "lv_name": name,
        "lv_size": str(size),
        "pool_lv": pool,
        "data_percent": data,
        "metadata_percent": meta,
        "segtype": kind,
        "lv_dm_path": f"/dev/mapper/vg0-{name}",
    }


def pool(data: str, meta: str = "10.00") -> Store:
    volumes = [volume("pool", 10 * GIB, "", data, meta, "thin-pool"), volume("a", 20 * GIB, "pool", "40.00")]
    (found,) = space.lvm_stores(volumes, [], 90)
    return found


def test_a_thin_pool_has_promised_what_its_volumes_do_not_have_yet() -> None:
    found = pool("80.00")
    assert (found.name, found.size_bytes, found.free_bytes) == ("vg0/pool", 10 * GIB, 2 * GIB)
    assert found.promised_bytes == 12 * GIB
    assert not found.warning


@pytest.mark.parametrize(
    ("data", "meta", "warning"),
    [
        ("95.00", "10.00", "it is 95 % full, and its disks may grow"),
        ("10.00", "91.00", "its metadata is 91 % full"),
    ],
)
def test_a_pool_that_is_about_to_fill_is_told(data: str, meta: str, warning: str) -> None:
    assert pool(data, meta).warning == warning


def test_a_full_store_whose_disks_have_all_they_can_get_is_not_told() -> None:
    store = Store(name="/srv", kind="file system", size_bytes=100, free_bytes=1)
    assert not space.warned(store, 90).warning


def test_a_file_system_is_known_by_where_it_is_mounted(tmp_path: Path) -> None:
    point = space.mount_point(str(tmp_path))
    assert Path(point).is_mount()
    store = space.file_system(point, 0, 90)
    assert 0 < store.free_bytes <= store.size_bytes
