"""What QEMU counts of the disks that it serves, asked on the socket that is there for statistics.

It takes one connection at a time (xentop uses it, too): it is held for one question only.

Source: tools/libs/light/libxl_dm.c ("libxenstat-cmd"); QEMU docs/interop/qmp-spec.rst, qapi/block-core.json
(query-blockstats); hw/block/xen-block.c (names of nodes: VDEV-FORMAT).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from domus.config import vdev
from domus.model.errors import BadInput
from domus.model.statistics import DiskCounters

_RUN: Final = Path("/run/xen")
_WITHIN: Final = 2.0  # seconds; a QEMU that hangs must not hold us up
_LINE_BYTES: Final = 1 << 20
_SECTOR: Final = 512


def socket(domid: int) -> Path:
    """The socket for statistics of the QEMU that serves a domain."""
    return _RUN / f"qmp-libxenstat-{domid}"


async def of_domain(domid: int) -> dict[int, DiskCounters]:
    """Counters of the disks that QEMU serves to a domain, by device number; none if it does not answer."""
    try:
        async with asyncio.timeout(_WITHIN):
            return parse(await ask(socket(domid), "query-blockstats"))
    except (OSError, ValueError, KeyError, TypeError, TimeoutError):
        return {}


def parse(answer: Any) -> dict[int, DiskCounters]:
    """The answer to query-blockstats; what is no disk of a guest is left out."""
    found = {}
    for each in answer:
        name, stats = str(each.get("node-name", "")).rpartition("-")[0], each["stats"]
        try:
            devid = vdev.number(name)
        except BadInput:
            continue
        failures = ("failed_rd_operations", "failed_wr_operations", "failed_flush_operations")
        found[devid] = DiskCounters(
            devid=devid,
            read_requests=stats["rd_operations"],
            write_requests=stats["wr_operations"],
            read_sectors=stats["rd_bytes"] // _SECTOR,
            write_sectors=stats["wr_bytes"] // _SECTOR,
            failed=sum(stats.get(failure, 0) for failure in failures),
        )
    return found


async def ask(path: Path, *commands: str) -> Any:
    """What the QEMU at that socket answers to the last of some commands without arguments.

    Raises:
        OSError, ValueError: there is none, or it speaks no QMP.
        KeyError: it refuses one.
    """
    reader, writer = await asyncio.open_unix_connection(str(path), limit=_LINE_BYTES)
    try:
        await reader.readline()  # its greeting
        for each in ("qmp_capabilities", *commands):
            writer.write(json.dumps({"execute": each}).encode() + b"\n")
            answer = json.loads(await reader.readline())
            while "event" in answer:
                answer = json.loads(await reader.readline())
            told = answer["return"]
        return told
    finally:
        writer.close()
