"""Disks of running domains that fail, and stores that fill: told as events.

The kernel logs each request that fails; QEMU only counts them (its block backend answers the guest and goes
on), so it is asked from time to time, if it serves any disk. A disk that fails is told once a minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from domus.devices import qemu_counters
from domus.devices.backends import DeviceKind, DeviceRef
from domus.devices.kernel_log import DiskError, KernelLog
from domus.devices.vbd import Occupant
from domus.domains.events import EventKind
from domus.domains.parts import Parts
from domus.domains.stored import Stored
from domus.model.errors import DomusError
from domus.storage.targets import DeviceNumber

log = logging.getLogger(__name__)

#: Seconds between two events of one disk.
_TELL_EVERY: Final = 60.0
#: Seconds between two looks at QEMU's counters.
_LOOK_EVERY: Final = 10.0
#: Seconds between two looks at how full stores are.
_WEIGH_EVERY: Final = 120.0


class DiskTroubles:
    """For the event loop."""

    def __init__(self, parts: Parts, stored: Stored) -> None:
        self._parts = parts
        self._stored = stored
        self._filling: frozenset[str] = frozenset()
        self._kernel = KernelLog(self._kernel_said)
        self._told: dict[tuple[DeviceRef, str], float] = {}
        self._failed: dict[DeviceRef, int] = {}
        self._traced: dict[tuple[str, frozenset[DeviceRef]], float] = {}
        self._tracing: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._weighing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._kernel.start()
        self._looking = asyncio.create_task(self._look(), name="disk troubles")
        self._weighing = asyncio.create_task(self._weigh(), name="filling stores")

    async def close(self) -> None:
        """End."""
        self._kernel.close()
        tasks = [task for task in (self._looking, self._weighing, *self._tracing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _kernel_said(self, error: DiskError) -> None:
        number = error.number()
        if number is None:
            return
        what = "no space left" if error.full else f"{error.text} error"
        below = []
        for occupant in self._parts.hotplug.occupants():
            if occupant.number == number:
                self._tell(occupant.device, what, error.operation.lower(), occupant.path())
            else:
                below.append(occupant)
        now = time.monotonic()
        # A disk that comes meanwhile is looked at, too: another key.
        failing = (error.device, frozenset(each.device for each in below))
        if below and now - self._traced.get(failing, -_TELL_EVERY) >= _TELL_EVERY:
            self._traced = {key: when for key, when in self._traced.items() if now - when < _TELL_EVERY}
            self._traced[failing] = now
            task = asyncio.create_task(self._trace(number, error, what, below), name="disk that fails")
            self._tracing.add(task)
            task.add_done_callback(self._tracing.discard)

    async def _trace(
        self, number: DeviceNumber, error: DiskError, what: str, occupants: list[Occupant]
    ) -> None:
        """Tell it of disks that stand on the one that failed: device-mapper passes errors on in silence."""

        def standing() -> list[tuple[Occupant, str]]:
            name = f"device {number.major}:{number.minor}"
            return [(each, each.path()) for each in occupants if name in each.footprint().below]

        for occupant, path in await self._parts.workers.call(standing):
            self._tell(occupant.device, f"{what} of {error.device} below it", error.operation.lower(), path)

    async def _look(self) -> None:
        while True:
            disks = {
                each.device: each
                for each in self._parts.hotplug.occupants()
                if each.device.kind is DeviceKind.QDISK
            }
            if not disks:
                await self._parts.hotplug.changed()
                continue
            self._failed = {device: count for device, count in self._failed.items() if device in disks}
            for domid in {device.domid for device in disks}:
                for devid, counters in (await qemu_counters.of_domain(domid)).items():
                    device = DeviceRef(DeviceKind.QDISK, domid, devid)
                    before = self._failed.get(device, 0)
                    self._failed[device] = counters.failed
                    if counters.failed > before and device in disks:
                        self._tell(device, "I/O error", "", disks[device].path())
            await asyncio.sleep(_LOOK_EVERY)

    async def _weigh(self) -> None:
        while True:
            if not self._parts.hotplug.occupants():
                await self._parts.hotplug.changed()  # nothing grows
            await asyncio.sleep(_WEIGH_EVERY)
            try:
                await self._weigh_once()
            except DomusError as error:
                log.warning("how full it is where disks are stored: %s", error.for_user())

    async def _weigh_once(self) -> None:
        filling = {store.name: store for store in (await self._stored.report()).stores if store.warning}
        for name, store in filling.items():
            if name not in self._filling:
                log.warning("%s %s: %s", store.kind, name, store.warning)
                self._parts.events.publish(
                    EventKind.STORE_FILLING, store=name, kind_of_store=store.kind, what=store.warning
                )
        self._filling = frozenset(filling)

    def _tell(self, device: DeviceRef, what: str, operation: str, path: str) -> None:
        now = time.monotonic()
        if now - self._told.get((device, what), -_TELL_EVERY) < _TELL_EVERY:
            return
        self._told = {key: when for key, when in self._told.items() if now - when < _TELL_EVERY}
        self._told[device, what] = now
        log.error("disk %s of domain %d: %s (%s)", device.devid, device.domid, what, path)
        detail = {"devid": str(device.devid), "what": what, "path": path}
        detail |= {"request": operation} if operation else {}
        self._told_of(device.domid, detail)

    def _told_of(self, domid: int, detail: dict[str, str]) -> None:
        kept = next((each for each in self._parts.kept if each.domid == domid), None)
        name, uuid = ("", "") if kept is None else (kept.config.name, kept.uuid)
        self._parts.events.publish(EventKind.DISK_FAILED, domain=name, domid=domid, uuid=uuid, **detail)
