"""How much space there is where disks are stored: file systems, volume groups, thin pools.

Source: statvfs(3); lvs(8), vgs(8) ("--reportformat json"); lvmthin(7).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from domus.model.errors import DomusError
from domus.model.storage import Store
from domus.programs import run

_WITHIN: Final = 20.0  # seconds; LVM waits for disks that do not answer

_VOLUMES: Final = "vg_name,lv_name,lv_size,pool_lv,data_percent,metadata_percent,segtype,lv_dm_path"

Rows = list[dict[str, str]]


def mount_point(path: str) -> str:
    """Where the file system of a file is mounted."""
    here = Path(os.path.realpath(path))
    # An overlay gives files other devices than their folders (Linux, filesystems/overlayfs.rst).
    here = here if here.is_dir() else here.parent
    device = here.stat().st_dev
    while here != here.parent and here.parent.stat().st_dev == device:
        here = here.parent
    return str(here)


def file_system(point: str, promised_bytes: int, warn_percent: int) -> Store:
    """A file system; `promised_bytes` is what its sparse files may take yet."""
    facts = os.statvfs(point)
    size, free = facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize
    store = Store(
        name=point, kind="file system", size_bytes=size, free_bytes=free, promised_bytes=promised_bytes
    )
    return warned(store, warn_percent)


def volumes() -> tuple[Rows, Rows]:
    """LVM's logical volumes and volume groups; none where there is no LVM."""
    if not any(Path("/sys/block").glob("dm-*")):
        return [], []  # no program is started where there is nothing
    try:
        return asked("lvs", "lv", _VOLUMES), asked("vgs", "vg", "vg_name,vg_size,vg_free")
    except (DomusError, ValueError, KeyError):
        return [], []


def asked(program: str, kind: str, columns: str, *more: str) -> Rows:
    """What lvs or vgs say, sizes in bytes.

    Args:
        kind: what a row is called in the report: "lv" or "vg".
        more: options, and what is asked about.

    Raises:
        DomusError: the program failed.
    """
    argv = [program, "--reportformat", "json", "--units", "b", "--nosuffix", "-o", columns, *more]
    found: Any = json.loads(run(argv, within=_WITHIN).stdout)
    return list(found["report"][0][kind])


def lvm_stores(lvs: Rows, vgs: Rows, warn_percent: int) -> list[Store]:
    """The volume groups and thin pools."""
    stores = []
    for row in vgs:
        size, free = _bytes(row["vg_size"]), _bytes(row["vg_free"])
        # A full volume group harms nobody: only new volumes need what is free in it.
        stores.append(Store(name=row["vg_name"], kind="volume group", size_bytes=size, free_bytes=free))
    for row in lvs:
        if row["segtype"] != "thin-pool":
            continue
        size = _bytes(row["lv_size"])
        used = round(size * float(row["data_percent"] or 0) / 100)
        thin = [
            each for each in lvs if each["pool_lv"] == row["lv_name"] and each["vg_name"] == row["vg_name"]
        ]
        promised = sum(_bytes(each["lv_size"]) for each in thin) - used
        store = Store(
            name=f"{row['vg_name']}/{row['lv_name']}",
            kind="thin pool",
            size_bytes=size,
            free_bytes=size - used,
            promised_bytes=max(0, promised),
            metadata_percent=float(row["metadata_percent"] or 0),
        )
        stores.append(warned(store, warn_percent))
    return stores


def warned(store: Store, warn_percent: int) -> Store:
    """A store with a warning if it is fuller than it should be while its disks may grow."""
    if store.metadata_percent >= warn_percent:
        return replace(store, warning=f"its metadata is {store.metadata_percent:.0f} % full")
    if store.used_percent >= warn_percent and store.promised_bytes > 0:
        return replace(store, warning=f"it is {store.used_percent:.0f} % full, and its disks may grow")
    return store


def is_on_lvm(path: str, lvs: Rows) -> str | None:
    """The thin pool or volume group that a device is a volume of; None: of none."""
    real = os.path.realpath(path)
    for row in lvs:
        if row["lv_dm_path"] and os.path.realpath(row["lv_dm_path"]) == real:
            return f"{row['vg_name']}/{row['pool_lv']}" if row["pool_lv"] else row["vg_name"]
    return None


def _bytes(text: str) -> int:
    return int(text or 0)
