"""The ends of domains: taken away on demand, or ended by themselves, and then perhaps built anew."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from msgspec.structs import replace

from domus.domains import prepare, restarts
from domus.domains.build import Builder, Handle
from domus.domains.definitions import Definitions
from domus.domains.events import EventBus, EventKind
from domus.domains.journal import DestroyDomain, UndoRecord
from domus.domains.kept import Kept, KeptDomains
from domus.domains.locks import DomainLocks
from domus.domains.operations import Operations
from domus.model.domain import DomainInfo
from domus.model.operation import Operation

log = logging.getLogger(__name__)


class Endings:
    """Ends domains and restarts them. For the event loop.

    Args:
        released: called with the keys of locks that an operation of ours held, to release them.
    """

    def __init__(
        self,
        builder: Builder,
        kept: KeptDomains,
        definitions: Definitions,
        locks: DomainLocks,
        operations: Operations[UndoRecord],
        events: EventBus,
        released: Callable[..., None],
    ) -> None:
        self._builder = builder
        self._kept = kept
        self._definitions = definitions
        self._locks = locks
        self._operations = operations
        self._events = events
        self._released = released
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    def start(self) -> None:
        """Build anew, when it is time, what a former xend meant to."""
        for kept in self._kept.waiting():
            self._restart_later(kept)

    async def close(self) -> None:
        """End; what waits to be built anew is left to the next xend."""
        self._closing = True
        timers = list(self._timers.values())
        for timer in timers:
            timer.cancel()
        await asyncio.gather(*timers, return_exceptions=True)

    def waiting(self, reference: str) -> Kept | None:
        """The domain of this name or uuid that waits to be built anew."""
        known = self._kept.waiting()
        return next((kept for kept in known if reference in (kept.config.name, kept.uuid)), None)

    async def destroy(self, name: str, uuid: str, domid: int | None, who: str) -> Operation:
        """Begin to take a domain away; its locks are held, and released at the end."""

        async def body(operation: Handle) -> None:
            if domid is None:
                await self._forget(uuid)
                return
            # Not undone but finished, should xend be killed meanwhile.
            async with operation.step("destroying", undo=DestroyDomain(uuid, domid)):
                await self._builder.take_away(uuid, domid)
            if self._kept.running(uuid, domid):
                await self._forget(uuid)

        return await self._operations.start(
            "destroy",
            domain=name,
            uuid=uuid,
            who=who,
            body=body,
            cancellable=False,
            on_end=lambda: self._released(name, uuid),
        )

    async def on_end(self, info: DomainInfo, kept: Kept) -> None:
        """Carry out what the configuration says for the end that a domain has come to."""
        name, uuid = kept.config.name, kept.uuid
        await self._locks.take_when_free(name, uuid, domain=name, doing="it has ended")
        held = True
        try:
            if self._kept.running(info.uuid, info.domid) is None:
                return  # somebody took it away meanwhile
            decision = restarts.decide(kept, info.shutdown_reason, time.time())
            log.info("%s has ended (%s): %s", name, info.shutdown_reason, decision)
            match decision:
                case restarts.Destroy():
                    held = False  # the operation releases them
                    await self.destroy(name, uuid, info.domid, f"xend:{info.shutdown_reason}")
                case restarts.Restart():
                    self._restart_later(await self._prepare_restart(info, kept, decision))
        finally:
            if held:
                self._locks.release(name, uuid)

    async def _prepare_restart(self, info: DomainInfo, kept: Kept, decision: restarts.Restart) -> Kept:
        due = time.time() + decision.delay
        again = replace(kept, domid=None, restart_due=due, quick_restarts=decision.quick_restarts)
        if decision.rename_old and info.domid is not None:
            # The old one keeps its uuid, which libxl files its devices and /vm entry under; the new one
            # gets another.
            again = replace(again, config=replace(kept.config, uuid=None))
            again = replace(again, config=prepare.chosen(again.config))
            await self._kept.forget(kept.uuid)
            stamp = time.strftime("%Y%m%dT%H%MZ", time.gmtime())
            await self._builder.rename(info.domid, f"{info.name}-{stamp}")
            await self._definitions.move(kept.uuid, again.uuid, who="xend", what="rename-restart")
        await self._kept.put(again)
        self._events.publish(
            EventKind.DOMAIN_RESTARTING, domain=info.name, uuid=again.uuid, delay=f"{decision.delay:g}"
        )
        if not decision.rename_old:
            await self._builder.take_away(info.uuid, info.domid)
        return again

    def _restart_later(self, kept: Kept) -> None:
        timer = asyncio.create_task(self._restart_when_due(kept), name=f"restart {kept.config.name}")
        self._timers[kept.uuid] = timer
        timer.add_done_callback(lambda _: self._timers.pop(kept.uuid, None))

    async def _restart_when_due(self, kept: Kept) -> None:
        await asyncio.sleep(max(0.0, (kept.restart_due or 0.0) - time.time()))
        keys = (kept.config.name, kept.uuid)
        await self._locks.take_when_free(*keys, domain=kept.config.name, doing="it is being restarted")
        if self._kept.get(kept.uuid) != kept:
            self._locks.release(*keys)  # destroyed meanwhile
            return

        async def body(operation: Handle) -> None:
            try:
                await self._builder.build_again(operation, self._as_managed(kept))
            except BaseException:
                if not self._closing:  # else the next xend tries again
                    await self._kept.forget(kept.uuid)
                raise

        await self._operations.start(
            "restart",
            domain=kept.config.name,
            uuid=kept.uuid,
            who="xend",
            body=body,
            on_end=lambda: self._released(*keys),
        )

    def _as_managed(self, kept: Kept) -> Kept:
        """A managed domain is built anew as its configuration says by now."""
        managed = self._definitions.get(kept.uuid)
        return kept if managed is None else replace(kept, config=managed.config)

    async def _forget(self, uuid: str) -> None:
        if (timer := self._timers.get(uuid)) is not None:
            timer.cancel()
        await self._kept.forget(uuid)
