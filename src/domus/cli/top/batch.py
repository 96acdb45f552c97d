"""`xm top --batch`: xentop's lines, for the scripts that read `xentop -b`.

The columns and their widths are those of tools/xentop/xentop.c (Xen 4.17 to 4.20); a test compares both in
the same domain 0.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

from domus.cli.top.rates import Row, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from domus.model.statistics import Statistics

#: names and widths; all are right-justified
COLUMNS: Final = (
    ("NAME", 10),
    ("STATE", 6),
    ("CPU(sec)", 10),
    ("CPU(%)", 6),
    ("MEM(k)", 10),
    ("MEM(%)", 6),
    ("MAXMEM(k)", 10),
    ("MAXMEM(%)", 9),
    ("VCPUS", 5),
    ("NETS", 4),
    ("NETTX(k)", 8),
    ("NETRX(k)", 8),
    ("VBDS", 4),
    ("VBD_OO", 8),
    ("VBD_RD", 8),
    ("VBD_WR", 8),
    ("VBD_RSECT", 10),
    ("VBD_WSECT", 10),
    ("SSID", 4),
)

_STATE: Final = "dsbcpr"  #: xentop's order of the letters of `xm list`

_NAME_WIDTH: Final = 10

#: max_memkb of a domain without a limit: Xen's page count of all ones (domctl.h), as libxl gives it in KiB
_UNLIMITED_KIB: Final = (1 << 42) - 1


def run(
    ask: Callable[[], Statistics],
    *,
    iterations: int | None,
    delay: float,
    full_names: bool = False,
    json: bool = False,
) -> None:
    """Print pictures until there have been enough of them, or for ever."""
    before: Statistics | None = None
    left = iterations
    while left is None or left > 0:
        if before is not None:
            time.sleep(delay)
        now = ask()
        picture = rows(now, before)
        sys.stdout.write(as_json(now, picture) if json else text(now, picture, full_names=full_names))
        sys.stdout.flush()
        before = now
        left = None if left is None else left - 1


def text(now: Statistics, picture: list[Row], *, full_names: bool = False) -> str:
    """One picture: the header, and a line for each domain, by name whatever its case, as xentop."""
    ordered = sorted(picture, key=lambda row: row.domain.name.lower())
    lines = [" ".join(f"{name:>{width}}" for name, width in COLUMNS)]
    lines += [_line(now, row, full_names=full_names) for row in ordered]
    return "".join(f"{line}\n" for line in lines)


def _line(now: Statistics, row: Row, *, full_names: bool) -> str:
    domain, totals = row.domain, row.totals
    unlimited = domain.max_kib >= _UNLIMITED_KIB
    name = domain.name if full_names else domain.name[:_NAME_WIDTH]
    cells = (
        name,
        state(domain.state_letters),
        str(domain.cpu_time_ns // 1_000_000_000),
        f"{row.cpu_percent:.1f}",
        str(domain.memory_kib),
        f"{_percent(domain.memory_kib, now.total_kib):.1f}",
        "no limit" if unlimited else str(domain.max_kib),
        "n/a" if unlimited else f"{_percent(domain.max_kib, now.total_kib):.1f}",
        str(domain.vcpus),
        str(row.nics),
        # xentop counts as domain 0 does: what it calls sent is what went to the guest (measured, Xen 4.20).
        str(totals.rx_bytes // 1024),
        str(totals.tx_bytes // 1024),
        str(row.disks),
        str(totals.waits),
        str(totals.read_requests),
        str(totals.write_requests),
        str(totals.read_sectors),
        str(totals.write_sectors),
        "0",  # the label's number, which only Xen's own security server knows
    )
    return " ".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True))


def state(letters: str) -> str:
    """xentop's six letters from those of `xm list`."""
    return "".join(letter if letter in letters else "-" for letter in _STATE)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def as_json(now: Statistics, picture: list[Row]) -> str:
    """One picture as one line of JSON; rates in bytes per second."""
    import msgspec

    document: dict[str, Any] = {
        "time": now.time,
        "host": now.host,
        "cpus": now.cpus,
        "total_kib": now.total_kib,
        "free_kib": now.free_kib,
        "domains": [_facts(row) for row in picture],
    }
    return msgspec.json.encode(document).decode() + "\n"


def _facts(row: Row) -> dict[str, Any]:
    from dataclasses import asdict

    domain = row.domain
    return {
        "name": domain.name,
        "domid": domain.domid,
        "uuid": domain.uuid,
        "state": str(domain.state),
        "cpu_time_ns": domain.cpu_time_ns,
        "cpu_percent": round(row.cpu_percent, 2),
        "memory_kib": domain.memory_kib,
        "max_kib": domain.max_kib,
        "vcpus": domain.vcpus,
        "nics": row.nics,
        "disks": row.disks,
        "rx_rate": round(row.rx_rate),
        "tx_rate": round(row.tx_rate),
        "read_rate": round(row.read_rate),
        "write_rate": round(row.write_rate),
        **asdict(row.totals),
    }
