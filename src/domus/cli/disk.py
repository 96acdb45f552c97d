"""`xm disk df`, `xm disk list`: where disks are stored, and who has which."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.storage import DiskUse, Store, StoredDisk

_GIB: Final = 1 << 30

_DF: Final = "{:<24} {:<13} {:>9} {:>9} {:>5}  {}"
_LIST: Final = "{:<36} {:<6} {:>9} {:>9}  {:<16} {}"


def run(call: Call) -> int:
    """`xm disk df|list [--json]`."""
    verbs = ("df", "list")
    if len(call.words) != 1 or call.words[0] not in verbs:
        raise call.wrong(f"'xm disk' does one of: {', '.join(verbs)}")
    found = call.client.storage()
    rows = found.stores if call.words[0] == "df" else found.disks
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(rows))
    elif call.words[0] == "df":
        print(_DF.format("Store", "Kind", "Size", "Free", "Used", "Disks may take").rstrip())
        for store in found.stores:
            print(_df(store))
    else:
        print(_LIST.format("Disk", "Format", "Size", "Takes", "Store", "Used by").rstrip())
        for disk in found.disks:
            print(_row(disk))
    sys.stdout.flush()
    return 0


def _df(store: Store) -> str:
    promised = f"{_gib(store.promised_bytes)} more" if store.promised_bytes else ""
    notes = "; ".join(
        note for note in (promised, f"WARNING: {store.warning}" if store.warning else "") if note
    )
    used = f"{store.used_percent:.0f}%"
    sizes = _gib(store.size_bytes), _gib(store.free_bytes)
    return _DF.format(store.name, store.kind, *sizes, used, notes).rstrip()


def _row(disk: StoredDisk) -> str:
    name = disk.path + (f" (serial {disk.serial})" if disk.serial else "")
    takes = _gib(disk.allocated_bytes) if disk.store.startswith("/") else ""
    used = ", ".join(map(_use, disk.uses)) or "nobody"
    if disk.problem:
        used += f"; WARNING: {disk.problem}"
    return _LIST.format(name, disk.format, _gib(disk.size_bytes), takes, disk.store or "-", used).rstrip()


def _use(use: DiskUse) -> str:
    mode = "" if use.writable else ", read-only"
    return f"{use.domain} ({use.vdev}{mode}{'' if use.running else ', not now'})"


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} G"
