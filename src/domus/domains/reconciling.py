"""Devices that somebody else, `xl` most often, attached to a running domain of ours, or took from it.

What xend keeps of the domain follows, so that a reboot brings back what is there, and `xm list` tells what is
not as configured. Noticed in what hotplug knows already; libxl is asked only when that differs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from domus.config import vdev
from domus.devices import vif
from domus.devices.backends import DeviceKind
from domus.domains import xlfile
from domus.domains.changes import ConfigChange
from domus.domains.reconfigure import reconfigure
from domus.model.errors import DomusError

if TYPE_CHECKING:
    from domus.domains.kept import Kept
    from domus.domains.parts import Parts
    from domus.model.config import DomainConfig

log = logging.getLogger(__name__)

_OUR_DOM0: Final = (None, "0", "Domain-0")
_DISKS: Final = (DeviceKind.VBD, DeviceKind.QDISK)


class Reconciling:
    """Follows what others do to devices. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin, with what happened while there was no xend."""
        self._parts.hotplug.on_change = self._look
        for kept in self._parts.kept:
            if kept.domid is not None:
                self._look(kept.domid)

    async def close(self) -> None:
        """End."""
        self._parts.hotplug.on_change = lambda domid: None
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look(self, domid: int) -> None:
        kept = self._of(domid)
        if kept is None or domid in self._tasks or not self._differs(kept, domid):
            return
        task = asyncio.create_task(self._follow(kept, domid), name=f"devices of {kept.config.name}")
        self._tasks[domid] = task
        task.add_done_callback(lambda _: self._tasks.pop(domid, None))

    def _of(self, domid: int) -> Kept | None:
        return next((kept for kept in self._parts.kept if kept.domid == domid), None)

    def _differs(self, kept: Kept, domid: int) -> bool:
        return any(True for _ in self._gone(kept.config, domid)) or any(self._new(kept.config, domid))

    def _gone(self, config: DomainConfig, domid: int) -> Iterator[ConfigChange]:
        """What is configured and not there."""
        disks = self._parts.hotplug.numbers(domid, _DISKS)
        nics = self._parts.hotplug.numbers(domid, (DeviceKind.VIF,))
        for disk in config.disks:
            number = vdev.number(disk.vdev)
            if disk.backend_domain in _OUR_DOM0 and number not in disks:
                yield ConfigChange(without_disk=number)
        for devid, nic in zip(vif.devids(config.nics), config.nics, strict=True):
            if nic.backend_domain in _OUR_DOM0 and devid not in nics:
                yield ConfigChange(without_nic=devid)

    def _new(self, config: DomainConfig, domid: int) -> tuple[set[int], set[int]]:
        """The numbers of disks and cards that are there and not configured."""
        hotplug = self._parts.hotplug
        disks = {vdev.number(disk.vdev) for disk in config.disks}
        nics = set(vif.devids(config.nics))
        return hotplug.numbers(domid, _DISKS) - disks, hotplug.numbers(domid, (DeviceKind.VIF,)) - nics

    async def _follow(self, kept: Kept, domid: int) -> None:
        name, uuid, locks = kept.config.name, kept.uuid, self._parts.locks
        try:
            while True:
                # What xend itself has under way keeps its own account, and ends first. No lock is held
                # meanwhile: nobody asked for this, and nobody's wish may be refused for it.
                await locks.wait_free(uuid)
                document = await self._document(uuid, domid)
                present = None if document is None else await self._parts.workers.call(_read, document, name)
                if not locks.is_held(uuid):
                    break
            if document is None or present is None:
                return

            def follow(config: DomainConfig) -> DomainConfig:
                # From what is there at this moment: something of ours may have begun and ended meanwhile.
                for change in self._changes(config, domid, document, present):
                    log.info("%s: others changed its devices: %s", name, msgspec.json.encode(change).decode())
                    config = change.apply(config)
                return config

            await reconfigure(self._parts.kept, uuid, domid, follow)
        except DomusError as error:
            log.warning("devices of %s: %s", name, error.for_user())

    async def _document(self, uuid: str, domid: int) -> dict[str, Any] | None:
        """What libxl has of the domain; None: nothing differs, or the domain is going."""
        known = self._parts.kept.running(uuid, domid)
        if known is None or not self._differs(known, domid):
            return None
        document: dict[str, Any] = await self._parts.workers.call(self._parts.libxl.retrieve_config, domid)
        found = await self._parts.workers.call(self._parts.libxl.domain_info, domid)
        # A domain that is being destroyed loses its devices first, and paused (libxl_domain.c,
        # libxl__destroy_domid); the guest itself cannot lose one then.
        if found is None or found["uuid"] != uuid or any(found.get(key) for key in ("shutdown", "dying")):
            return None
        return document

    def _changes(
        self, config: DomainConfig, domid: int, document: dict[str, Any], present: DomainConfig
    ) -> Iterator[ConfigChange]:
        """What is to be changed, once both XenStore and libxl have it."""
        disks = {vdev.number(str(disk.get("vdev"))) for disk in document.get("disks", ())}
        nics = {int(nic.get("devid", -1)) for nic in document.get("nics", ())}
        for change in self._gone(config, domid):
            if change.without_disk not in disks and change.without_nic not in nics:
                yield change
        new_disks, new_nics = self._new(config, domid)
        for disk in present.disks:
            if vdev.number(disk.vdev) in new_disks:
                yield ConfigChange(disk=disk)
        for devid, nic in zip(vif.devids(present.nics), present.nics, strict=True):
            if devid in new_nics:
                yield ConfigChange(nic=replace(nic, devid=devid))


def _read(document: dict[str, Any], name: str) -> DomainConfig:
    return xlfile.read_config(msgspec.json.encode(xlfile.as_configured(document)), name)
