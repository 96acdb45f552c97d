"""The ends of domains: taken away on demand, or ended by themselves, and then perhaps built anew."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from msgspec.structs import replace

from domus.domains import aside, restarts, softreset
from domus.domains.build import Handle
from domus.domains.dumps import Dumps
from domus.domains.events import EventKind
from domus.domains.journal import DestroyDomain
from domus.domains.kept import Kept
from domus.domains.lifecycle import Key
from domus.domains.parts import Parts, guest
from domus.model.domain import DomainInfo, RunState
from domus.model.errors import WrongState
from domus.model.operation import Operation, OperationState

log = logging.getLogger(__name__)

#: why a domain is busy while that is done which its configuration says for its end
ENDED, RESTARTED = "it has ended", "it is being restarted"
#: how long who wants such a domain destroyed waits for that; s. A core dump may take longer.
_ENDING_S = 30.0


class Endings:
    """Ends domains and restarts them. For the event loop.

    Args:
        set_aside: called when a dead domain got another name and uuid.
    """

    def __init__(
        self,
        parts: Parts,
        set_aside: Callable[[Key, Key, str], None],
    ) -> None:
        self._parts = parts
        self._builder = parts.builder
        self._kept = parts.kept
        self._locks = parts.locks
        self._operations = parts.operations
        self._set_aside = set_aside
        self.dumps = Dumps(parts, self._built_again)
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

    async def carried_out(self, *keys: str) -> bool:
        """Wait while xend ends a domain with these locks, or builds it anew: was it so, and is it over?

        False also after a while: a core dump may take long.
        """
        if not any(self._locks.doing(key) in (ENDED, RESTARTED) for key in keys):
            return False
        try:
            async with asyncio.timeout(_ENDING_S):
                await self._locks.wait_free(*keys)
        except TimeoutError:
            return False
        return True

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
            async with operation.step("destroying", undo=DestroyDomain(uuid, domid, finishes=True)):
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
            on_end=lambda: self._parts.released(name, uuid),
        )

    async def reset(self, reference: str, *, who: str) -> Operation:
        """Destroy a domain and build it again, from the same configuration and with the same name.

        Raises:
            DomainNotFound, Busy, Forbidden (domain 0).
            WrongState: it is going; or xend did not make it, and does not know from what it was made.
        """
        info = guest(await self._parts.get(reference), "reset")
        if info.domid is None or info.dying:
            raise WrongState(f"Domain '{info.name}' is not started")
        if self._kept.running(info.uuid, info.domid) is None:
            raise WrongState(
                f"Domain '{info.name}' was not made by xend", hint="xm destroy and xm create do the same"
            )
        return await self._parts.begin(
            "reset",
            lambda operation: self._built_again(operation, info),
            info.name,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing="it is being reset",
            who=who,
            cancellable=False,
        )

    async def _built_again(self, operation: Handle, info: DomainInfo) -> None:
        """Take a domain away and build it again; killed meanwhile, xend does it on its next start."""
        kept = self._kept.running(info.uuid, info.domid)
        if kept is None:
            raise WrongState(f"Domain '{info.name}' was not made by xend")
        again = replace(kept, domid=None, restart_due=time.time(), quick_restarts=0, problem="")
        await self._kept.put(again)
        await self._rebuild(operation, again)

    async def on_end(self, info: DomainInfo, kept: Kept) -> None:
        """Carry out what the configuration says for the end that a domain has come to."""
        name, uuid = kept.config.name, kept.uuid
        await self._locks.take_when_free(name, uuid, domain=name, doing=ENDED)
        held = True
        try:
            known = self._kept.running(info.uuid, info.domid)
            if known is None or known.problem:
                return  # somebody took it away meanwhile, or it was given up
            decision = restarts.decide(known, info.shutdown_reason, time.time())
            log.info("%s has ended (%s): %s", name, info.shutdown_reason, decision)
            if isinstance(decision, restarts.Destroy | restarts.Restart) and decision.dump:
                await self.dumps.of_dead(info)
            match decision:
                case restarts.Destroy():
                    held = False  # the operation releases them
                    await self.destroy(name, uuid, info.domid, f"xend:{info.shutdown_reason}")
                case restarts.Restart():
                    self._restart_later(await self._prepare_restart(info, known, decision))
                case restarts.SoftReset(quick):
                    await self._soft_reset(info, replace(known, quick_restarts=quick))
                case restarts.GiveUp(times):
                    await self._give_up(info, known, times)
        finally:
            if held:
                self._locks.release(name, uuid)

    async def _prepare_restart(self, info: DomainInfo, kept: Kept, decision: restarts.Restart) -> Kept:
        due = time.time() + decision.delay
        again = replace(kept, domid=None, restart_due=due, quick_restarts=decision.quick_restarts)
        # Told before the dead one goes: who holds its console waits for the next one then.
        self._parts.events.publish(
            EventKind.DOMAIN_RESTARTING, domain=info.name, uuid=again.uuid, delay=f"{decision.delay:g}"
        )
        if decision.rename_old and info.domid is not None:
            await self._put_aside(info, info.domid, again)
        else:
            await self._kept.put(again)
            await self._builder.take_away(info.uuid, info.domid)
        return again

    async def _put_aside(self, info: DomainInfo, domid: int, again: Kept) -> None:
        """The next one keeps name and uuid; the dead one gets others.

        Killed in the middle, the next xend takes the dead one away and builds the domain anew.
        """
        name, uuid = await aside.rename(self._parts, info, domid)
        await self._kept.put(again)
        await aside.rehandle(self._parts, info, domid, uuid)
        self._set_aside((domid, info.uuid), (domid, str(uuid)), name)
        self._parts.events.publish(
            EventKind.DOMAIN_SET_ASIDE, domain=name, domid=domid, uuid=str(uuid), was=info.name
        )

    async def _soft_reset(self, info: DomainInfo, kept: Kept) -> None:
        """Soft reset; a domain that this fails for is built anew."""
        if await softreset.carry_out(self._parts, info):
            await self._kept.put(replace(kept, started=time.time()))
            return
        again = replace(kept, domid=None, restart_due=time.time())
        await self._kept.put(again)
        self._restart_later(again)

    async def _give_up(self, info: DomainInfo, kept: Kept, times: int) -> None:
        problem = (
            f"it ended {times} times within {restarts.QUICK:.0f} s of its start: it is not restarted any more"
        )
        log.error("%s: %s", info.name, problem)
        await self._kept.put(replace(kept, problem=problem))
        self._parts.tell(EventKind.DOMAIN_FAILED, info, problem=problem)

    def with_problem(self, info: DomainInfo) -> DomainInfo:
        """`info`, with why xend no longer restarts it."""
        kept = self._kept.running(info.uuid, info.domid)
        problem = "" if kept is None else kept.problem
        return replace(info, problem=problem) if problem else info

    # Building anew

    def _restart_later(self, kept: Kept) -> None:
        timer = asyncio.create_task(self._restart_when_due(kept), name=f"restart {kept.config.name}")
        self._timers[kept.uuid] = timer
        timer.add_done_callback(lambda _: self._timers.pop(kept.uuid, None))

    async def _restart_when_due(self, kept: Kept) -> None:
        await asyncio.sleep(max(0.0, (kept.restart_due or 0.0) - time.time()))
        keys = (kept.config.name, kept.uuid)
        await self._locks.take_when_free(*keys, domain=kept.config.name, doing=RESTARTED)
        if self._kept.get(kept.uuid) != kept:
            self._locks.release(*keys)  # destroyed meanwhile
            return
        begun = await self._operations.start(
            "restart",
            domain=kept.config.name,
            uuid=kept.uuid,
            who="xend",
            body=lambda operation: self._rebuild(operation, kept),
            on_end=lambda: self._parts.released(*keys),
        )
        ended = await self._operations.wait(begun.id)
        if ended.state is OperationState.FAILED and ended.problem is not None:
            gone = DomainInfo(name=kept.config.name, uuid=kept.uuid, state=RunState.HALTED)
            self._parts.tell(EventKind.DOMAIN_FAILED, gone, problem=ended.problem.title)

    async def _rebuild(self, operation: Handle, kept: Kept) -> None:
        try:
            await self._builder.build_again(operation, self._as_managed(kept))
        except BaseException:
            if not self._closing:  # else the next xend tries again
                await self._kept.forget(kept.uuid)
            raise

    def _as_managed(self, kept: Kept) -> Kept:
        """A managed domain is built anew as its configuration says by now."""
        managed = self._parts.definitions.get(kept.uuid)
        return kept if managed is None else replace(kept, config=managed.config)

    async def _forget(self, uuid: str) -> None:
        if (timer := self._timers.get(uuid)) is not None:
            timer.cancel()
        await self._kept.forget(uuid)
