"""What all domains use, in one look: CPU time and memory from Xen, traffic and requests from dom0."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

from domus.devices import counters, qemu_counters
from domus.devices.backends import DeviceKind
from domus.domains.parts import Parts
from domus.model.statistics import DiskCounters, DomainStatistics, NicCounters, Statistics

_PAGE_KIB: Final = 4  # libxl_physinfo counts in pages of 4 KiB


class DomainsStatistics:
    """The counters of this host's domains. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._version = ""

    async def now(self) -> Statistics:
        """All domains at this moment.

        Raises:
            LibxlError: Xen does not answer.
        """
        parts = self._parts
        if not self._version:  # it cannot change while dom0 runs
            version = await parts.workers.call(parts.libxl.version)
            extra = version.get("xen_version_extra") or ""
            self._version = f"{version['xen_version_major']}.{version['xen_version_minor']}{extra}"
        infos, physical, (nics, disks) = await asyncio.gather(
            parts.listing.list(),
            parts.workers.call(parts.libxl.physinfo),
            parts.workers.call(_counted),
        )
        for domid, more in (await self._served_by_qemu()).items():
            disks[domid] = tuple(sorted((*disks.get(domid, ()), *more), key=lambda disk: disk.devid))
        return Statistics(
            taken_ns=time.monotonic_ns(),
            time=time.time(),
            host=os.uname().nodename,
            xen_version=self._version,
            cpus=int(physical["nr_cpus"]),
            cpu_mhz=int(physical.get("cpu_khz", 0)) / 1000,
            total_kib=int(physical["total_pages"]) * _PAGE_KIB,
            free_kib=int(physical.get("free_pages", 0)) * _PAGE_KIB,
            domains=tuple(
                DomainStatistics(
                    domain=info,
                    nics=nics.get(info.domid, ()) if info.domid is not None else (),
                    disks=disks.get(info.domid, ()) if info.domid is not None else (),
                )
                for info in infos
            ),
        )

    async def _served_by_qemu(self) -> dict[int, tuple[DiskCounters, ...]]:
        occupants = self._parts.hotplug.occupants()
        domids = sorted({each.device.domid for each in occupants if each.device.kind is DeviceKind.QDISK})
        found = await asyncio.gather(*(qemu_counters.of_domain(domid) for domid in domids))
        return {domid: tuple(disks.values()) for domid, disks in zip(domids, found, strict=True)}


def _counted() -> tuple[dict[int, tuple[NicCounters, ...]], dict[int, tuple[DiskCounters, ...]]]:
    return counters.nics(), counters.disks()
