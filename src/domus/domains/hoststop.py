"""The host stops: each domain ends as its on_xend_stop or /etc/default/xendomains says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.domains import xendomains
from domus.domains.autostart import configurations
from domus.domains.build import Handle
from domus.domains.events import EventKind
from domus.domains.parts import Parts
from domus.domains.xendomains import XenDomains
from domus.model.domain import DomainInfo
from domus.model.errors import DomainNotFound, DomusError, HostProblem
from domus.model.migration import MigrateRequest
from domus.model.names import check_domain_name
from domus.model.operation import Event, Operation

log = logging.getLogger(__name__)

#: who asks for what ends with the host
AT_STOP: Final = "xend:autostop"
_ENDED: Final = (EventKind.DOMAIN_SHUTDOWN, EventKind.DOMAIN_CRASHED, EventKind.DOMAIN_DESTROYED)
#: seconds for xend to take away what has shut down
_TAKEN_AWAY_WITHIN: Final = 20.0


@dataclass(frozen=True)
class Ways:
    """How a domain is ended; each returns when it has been asked, or (save, suspend, destroy) is over."""

    shutdown: Callable[[str], Awaitable[None]]
    destroy: Callable[[str], Awaitable[None]]
    save: Callable[[str, Path], Awaitable[None]]  #: into this file
    suspend: Callable[[str], Awaitable[None]]  #: as `xm suspend`
    migrate: Callable[[str, MigrateRequest], Awaitable[None]]  #: to another host


class HostStop:
    """Ends the host's domains. For the event loop."""

    def __init__(self, parts: Parts, ways: Ways) -> None:
        self._parts = parts
        self._ways = ways

    async def stop_all(self, *, who: str) -> Operation:
        """Begin to end them; the operation fails with the names of those that would not."""
        return await self._parts.operations.start(
            "autostop", domain="", uuid="", who=who, body=self._stop_all, cancellable=False
        )

    async def _stop_all(self, operation: Handle) -> None:
        settings = await self._parts.workers.call(xendomains.read)
        files, _ = await self._parts.workers.call(configurations, settings.auto)
        auto = {config.name for config in files}
        problems: dict[str, str] = {}
        guests = await self._guests()
        async with operation.step(f"ending {len(guests)} domains"):
            await self._each(guests, lambda info: self._end_one(info, auto, settings), problems)
        if settings.shutdown_all:
            left = [info for info in await self._guests() if info.name not in problems]
            async with operation.step(f"shutting down {len(left)} that are left", progress=0.5):
                await self._each(left, lambda info: self._shut_down(info, settings), problems)
        if problems:
            told = "; ".join(f"{name} ({why})" for name, why in sorted(problems.items()))
            raise HostProblem(f"not ended: {told}")

    async def _guests(self) -> list[DomainInfo]:
        return [info for info in await self._parts.listing.list() if info.domid and not info.dying]

    async def _each(
        self,
        guests: list[DomainInfo],
        work: Callable[[DomainInfo], Awaitable[None]],
        problems: dict[str, str],
    ) -> None:
        async def one(info: DomainInfo) -> None:
            try:
                await work(info)
            except DomainNotFound:
                pass  # it has ended meanwhile
            except DomusError as error:
                problems[info.name] = error.what
                log.error("%s does not end with the host: %s", info.name, error.for_user())

        async with asyncio.TaskGroup() as group:
            for info in guests:
                group.create_task(one(info), name=f"end {info.name}")

    async def _end_one(self, info: DomainInfo, auto: set[str], settings: XenDomains) -> None:
        managed = self._parts.definitions.get(info.uuid)
        wish = managed.config.on_xend_stop if managed else "ignore"
        if wish == "destroy":
            await self._ways.destroy(info.uuid)
        elif wish == "suspend":
            await self._ways.suspend(info.uuid)
        elif wish == "shutdown":
            await self._shut_down(info, settings)
        elif (managed and managed.config.autostart) or info.name in auto or not settings.auto_only:
            await self._as_xendomains(info, settings)

    async def _as_xendomains(self, info: DomainInfo, settings: XenDomains) -> None:
        """Sysrq, migrate, save, shut down: the first that succeeds, as the old script had it."""
        for letter in settings.sysrq.split():
            await self._parts.workers.call(self._parts.libxl.send_sysrq, info.domid or 0, letter[:1])
            await asyncio.sleep(settings.usleep / 1e6)
        if settings.migrate and await self._migrated(info, settings.migrate):
            return
        if settings.save and await self._saved(info, Path(settings.save)):
            return
        if settings.shutdown:
            await self._shut_down(info, settings)

    async def _migrated(self, info: DomainInfo, where: str) -> bool:
        try:
            await self._ways.migrate(info.uuid, xendomains.destination(where))
        except DomusError as error:
            log.error("%s is not migrated: %s", info.name, error.for_user())
            return False
        return True

    async def _saved(self, info: DomainInfo, folder: Path) -> bool:
        try:
            # xl takes names that are paths.
            check_domain_name(info.name)
            await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
            await self._ways.save(info.uuid, folder / info.name)
        except OSError as error:
            log.error("%s is not saved: %s: %s", info.name, folder, error.strerror)
            return False
        except DomusError as error:
            log.error("%s is not saved: %s", info.name, error.for_user())
            return False
        return True

    async def _shut_down(self, info: DomainInfo, settings: XenDomains) -> None:
        if info.shutdown:
            return
        events = self._parts.events.subscribe()
        ended = asyncio.create_task(_wait_for_end(events, info.uuid), name=f"end of {info.name}")
        try:
            await self._ways.shutdown(info.uuid)
            async with asyncio.timeout(settings.stop_maxwait or None):
                await ended
        except TimeoutError:
            raise HostProblem(f"it has not shut down within {settings.stop_maxwait} s") from None
        finally:
            ended.cancel()


async def _wait_for_end(events: AsyncIterator[Event], uuid: str) -> None:
    """Wait until a domain has ended, and a moment longer for what xend does then."""
    if (await _next(events, uuid, _ENDED)).kind == EventKind.DOMAIN_DESTROYED:
        return
    try:
        async with asyncio.timeout(_TAKEN_AWAY_WITHIN):
            await _next(events, uuid, (EventKind.DOMAIN_DESTROYED,))
    except TimeoutError:
        log.info("%s has shut down and is still there, as its on_poweroff may want it", uuid)


async def _next(events: AsyncIterator[Event], uuid: str, kinds: Collection[EventKind]) -> Event:
    async for event in events:
        if event.uuid == uuid and event.kind in kinds:
            return event
    raise HostProblem("xend's events have ended")
