"""What back ends in domain 0 count: the traffic of vifs, the requests of vbds.

All vifs come from the one file /proc/net/dev, where eight files per vif in sysfs would cost a list of sixty
domains hundreds of reads. vbds have theirs in sysfs only (Linux, drivers/block/xen-blkback/xenbus.c).
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final, TypeVar

from domus.devices.backends import SYS_BACKENDS
from domus.model.statistics import DiskCounters, NicCounters

T = TypeVar("T")

NETWORK_DEVICES: Final = Path("/proc/net/dev")

#: an emulated card has a tap device beside its vif; the guest uses one of the two
_VIF: Final = re.compile(r"vif([0-9]{1,5})\.([0-9]{1,9})(?:-emu)?")
_VBD: Final = re.compile(r"vbd-([0-9]{1,5})-([0-9]{1,9})")

_VBD_FILES: Final = ("rd_req", "wr_req", "rd_sect", "wr_sect", "oo_req")


def nics(table: Path = NETWORK_DEVICES) -> dict[int, tuple[NicCounters, ...]]:
    """Counters of all vifs, by domid; each domain's by devid. None when the table cannot be read."""
    try:
        text = table.read_text()
    except OSError:
        return {}
    found: dict[tuple[int, int], NicCounters] = {}
    for line in text.splitlines()[2:]:
        device, _, rest = line.partition(":")
        matched = _VIF.fullmatch(device.strip())
        numbers = rest.split()
        if matched is None or len(numbers) < 16:
            continue
        domid, devid = int(matched[1]), int(matched[2])
        found[domid, devid] = _sum(found.get((domid, devid)), _swapped(devid, [int(n) for n in numbers]))
    return _by_domain(found)


def disks(folder: Path = SYS_BACKENDS) -> dict[int, tuple[DiskCounters, ...]]:
    """Counters of all vbds, by domid; each domain's by devid. A vbd that goes meanwhile is left out."""
    found: dict[tuple[int, int], DiskCounters] = {}
    try:
        entries = list(folder.iterdir())
    except OSError:
        return {}
    for entry in entries:
        matched = _VBD.fullmatch(entry.name)
        if matched is None:
            continue
        try:
            reads, writes, read_sectors, write_sectors, waits = (
                int((entry / "statistics" / name).read_text()) for name in _VBD_FILES
            )
        except (OSError, ValueError):
            continue
        domid, devid = int(matched[1]), int(matched[2])
        found[domid, devid] = DiskCounters(
            devid=devid,
            read_requests=reads,
            write_requests=writes,
            read_sectors=read_sectors,
            write_sectors=write_sectors,
            waits=waits,
        )
    return _by_domain(found)


def _swapped(devid: int, numbers: list[int]) -> NicCounters:
    """A line of /proc/net/dev: what dom0 received of a vif is what the guest sent."""
    received, sent = numbers[:4], numbers[8:12]
    return NicCounters(
        devid=devid,
        rx_bytes=sent[0],
        rx_packets=sent[1],
        rx_errors=sent[2],
        rx_dropped=sent[3],
        tx_bytes=received[0],
        tx_packets=received[1],
        tx_errors=received[2],
        tx_dropped=received[3],
    )


def _sum(one: NicCounters | None, other: NicCounters) -> NicCounters:
    if one is None:
        return other
    fields = (name for name in other.__struct_fields__ if name != "devid")
    return NicCounters(
        devid=one.devid, **{name: getattr(one, name) + getattr(other, name) for name in fields}
    )


def _by_domain(found: dict[tuple[int, int], T]) -> dict[int, tuple[T, ...]]:
    grouped: defaultdict[int, list[T]] = defaultdict(list)
    for (domid, _), counters in sorted(found.items(), key=lambda item: item[0]):
        grouped[domid].append(counters)
    return {domid: tuple(counters) for domid, counters in grouped.items()}
