"""Follows domains as they appear, end and go in Xen: tells it as events, and carries out on_poweroff & co.

Everything starts from what Xen says now, compared with what it said last time; a missed or repeated
event therefore does no harm, and a restarted xend catches up by looking once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from domus.domains.events import EventBus, EventKind
from domus.domains.kept import Kept, KeptDomains
from domus.domains.listing import Listing
from domus.model.domain import DomainInfo, ShutdownReason
from domus.model.errors import DomusError
from domus.xen.xenstore import Watch, XenStore

log = logging.getLogger(__name__)

_EVENTS: Final = ("@introduceDomain", "@releaseDomain")
_CRASHES: Final = (ShutdownReason.CRASH, ShutdownReason.WATCHDOG)
_AGAIN_AFTER: Final = 1.0  # seconds, when Xen could not be asked

Key = tuple[int | None, str]  # domid and uuid: one boot of a domain


class Lifecycle:
    """Watches all domains.

    Args:
        on_end: called, as a task of its own, for each domain of xend's that has ended itself.
    """

    def __init__(
        self,
        store: XenStore,
        listing: Listing,
        kept: KeptDomains,
        events: EventBus,
        on_end: Callable[[DomainInfo, Kept], Awaitable[None]],
    ) -> None:
        self._store = store
        self._listing = listing
        self._kept = kept
        self._events = events
        self._on_end = on_end
        self._known: dict[Key, DomainInfo] | None = None
        self._ended: set[Key] = set()
        self._wake = asyncio.Event()
        self._watches = [store.watch(event) for event in _EVENTS]
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin; on return every domain has been looked at once."""
        for watch in self._watches:
            await watch.__aenter__()
        await self._survey()
        for watch in self._watches:
            self._begin(self._watch(watch), f"watch {watch.path}")
        self._begin(self._follow(), "lifecycle")

    async def close(self) -> None:
        """End."""
        for watch in self._watches:
            self._store.stop_watch(watch)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def look(self) -> None:
        """Look at all domains soon: something was done that Xen announces late or not at all."""
        self._wake.set()

    def set_aside(self, old: Key, new: Key, name: str) -> None:
        """A dead domain goes by another name and uuid from now on: no news, it was told already."""
        info = None if self._known is None else self._known.pop(old, None)
        if info is not None and self._known is not None:
            self._known[new] = replace(info, name=name, uuid=new[1])
        self._ended.discard(old)
        self._ended.add(new)

    def _begin(self, work: Awaitable[None], name: str) -> None:
        async def run() -> None:
            try:
                await work
            except DomusError as error:
                log.error("%s: %s", name, error.for_user())
            except Exception:
                log.exception("%s", name)

        task = asyncio.create_task(run(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, watch: Watch) -> None:
        while await watch.changes():
            self._wake.set()

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._survey()
            except DomusError as error:
                log.warning("domains cannot be listed: %s", error.for_user())
                await asyncio.sleep(_AGAIN_AFTER)
                self._wake.set()

    async def _survey(self) -> None:
        # A dying domain is gone for everybody but its last foreign mappings; no event tells when those end.
        found = {(each.domid, each.uuid): each for each in await self._listing.list() if not each.dying}
        # What is there at the first look is no news.
        known = found if self._known is None else self._known
        self._known = found
        for key in found.keys() - known.keys():
            self._publish(EventKind.DOMAIN_CREATED, found[key])
        for key in known.keys() - found.keys():
            await self._gone(known[key])
        for key, info in found.items():
            if not info.shutdown or info.shutdown_reason is ShutdownReason.SUSPEND:
                # Who suspends a domain saves, moves or replicates it: it has not ended.
                self._ended.discard(key)
            elif key not in self._ended:
                self._ended.add(key)
                self._end(info)

    async def _gone(self, info: DomainInfo) -> None:
        self._ended.discard((info.domid, info.uuid))
        if self._kept.running(info.uuid, info.domid):
            await self._kept.forget(info.uuid)
        self._publish(EventKind.DOMAIN_DESTROYED, info)

    def _end(self, info: DomainInfo) -> None:
        crashed = info.shutdown_reason in _CRASHES
        kind = EventKind.DOMAIN_CRASHED if crashed else EventKind.DOMAIN_SHUTDOWN
        self._publish(kind, info, reason=str(info.shutdown_reason))
        if kept := self._kept.running(info.uuid, info.domid):
            self._begin(self._on_end(info, kept), f"end of {info.name}")

    def _publish(self, kind: EventKind, info: DomainInfo, **detail: str) -> None:
        self._events.publish(kind, domain=info.name, domid=info.domid, uuid=info.uuid, **detail)
