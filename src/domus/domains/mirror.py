"""Managed domains under `/vm/<uuid>` in XenStore, where xend had them, for those who look there.

Nothing here is read back: the database is the truth. libxl makes and removes /vm/<uuid> with each boot of a
domain (libxl_create.c, libxl__domain_make; libxl_domain.c, libxl__destroy_domid), so it is written again
after each; of a running one only `xend/managed`, the revision that is kept, is ours.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from domus.domains.events import EventKind
from domus.domains.parts import Parts
from domus.model.errors import DomusError
from domus.model.managed import ManagedDomain

log = logging.getLogger(__name__)

#: after these events libxl may have changed what is there
_ENDS: Final = frozenset({EventKind.DOMAIN_CREATED, EventKind.DOMAIN_DESTROYED, EventKind.OPERATION_ENDED})
#: and after these something else is to be there
_CHANGES: Final = frozenset({EventKind.DOMAIN_DEFINED, EventKind.DOMAIN_CONFIGURED, EventKind.DOMAIN_DELETED})
_AGAIN_AFTER: Final = 1.0  # seconds, when XenStore or Xen could not be asked


class Mirror:
    """Keeps /vm/<uuid> of managed domains as they are. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks: list[asyncio.Task[None]] = []
        self._changed: set[str] = set()
        self._news = asyncio.Event()

    async def start(self) -> None:
        """Begin, with all that there are, and with those that were deleted when xend was killed."""
        self._changed = {managed.uuid for managed in self._parts.definitions}
        store = self._parts.store
        for uuid in await store.list("/vm") or ():
            if await store.read(f"/vm/{uuid}/xend/managed") is not None:
                self._changed.add(uuid)
        self._news.set()
        self._tasks = [
            asyncio.create_task(self._follow(), name="mirror: events"),
            asyncio.create_task(self._write(), name="mirror"),
        ]

    async def close(self) -> None:
        """End; what is there stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        async for event in self._parts.events.subscribe():
            is_managed = self._parts.definitions.get(event.uuid) is not None
            if event.kind in _CHANGES or (event.kind in _ENDS and is_managed):
                self._changed.add(event.uuid)
                self._news.set()

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, set()
            try:
                running = {info.uuid for info in await self._parts.listing.list()}
                for uuid in changed:
                    await self._write_one(uuid, is_running=uuid in running)
            except DomusError as error:
                log.warning("managed domains cannot be shown in XenStore: %s", error.for_user())
                await asyncio.sleep(_AGAIN_AFTER)
                self._changed |= changed
                self._news.set()

    async def _write_one(self, uuid: str, *, is_running: bool) -> None:
        store, path = self._parts.store, f"/vm/{uuid}"
        managed = self._parts.definitions.get(uuid)
        if managed is None:
            await store.remove(f"{path}/xend" if is_running else path)
            return
        nodes = {"xend/managed": str(managed.revision.number)}
        if not is_running:
            nodes |= _nodes(managed)
        for name, value in nodes.items():
            await store.write(f"{path}/{name}", value)


def _nodes(managed: ManagedDomain) -> dict[str, str]:
    config = managed.config
    return {
        "uuid": managed.uuid,
        "name": config.name,
        "memory": str(config.memory_mib),
        "maxmem": str(config.maxmem_mib or config.memory_mib),
        "vcpus": str(config.maxvcpus or config.vcpus),
        "on_poweroff": str(config.on_poweroff),
        "on_reboot": str(config.on_reboot),
        "on_crash": str(config.on_crash),
    }
