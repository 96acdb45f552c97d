"""Domains that suspended themselves to be saved, or were asked to, and shall go on after all."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from domus.domains.journal import ResumeDomain
from domus.domains.parts import Parts
from domus.model.domain import ShutdownReason
from domus.model.errors import DomusError
from domus.xen.xenstore import Transaction

log = logging.getLogger(__name__)

#: seconds in which a domain that was asked to suspend, by a xend that was killed perhaps, may still do so:
#: those that are waited for, and those in which it is resumed beside everything else. A Linux guest first
#: freezes its processes, for which it gives itself 20 s (kernel/power/process.c).
_SUSPENDS_WITHIN: Final = 2.0
_SUSPENDS_LATE: Final = 60.0
_LOOK_EVERY: Final = 0.1
_LOOK_LATE_EVERY: Final = 0.5


class Resuming:
    """For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._late: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def resume(self, record: ResumeDomain) -> None:
        """Let a domain go on that suspended itself, or was asked to; harmless when it runs, or is gone."""
        until = time.monotonic() + _SUSPENDS_WITHIN
        while (reason := await self._ended(record)) is ShutdownReason.NONE:
            if await self._withdraw(record.domid):
                return
            if time.monotonic() > until:
                # Either it was never asked, or it is slow: nobody can tell.
                task = asyncio.create_task(self._resume_late(record), name=f"resume {record.domid}")
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                return
            await asyncio.sleep(_LOOK_EVERY)
        if reason is ShutdownReason.SUSPEND:
            await self._parts.workers.call(self._parts.libxl.resume, record.domid)

    async def _resume_late(self, record: ResumeDomain) -> None:
        """Resume a domain that suspends itself for a save that was given up.

        Whoever begins something with it meanwhile has it suspend itself for something else: this ends then.
        """
        until = time.monotonic() + _SUSPENDS_LATE
        was_free = False  # the operation that gave up holds its lock for a moment yet
        while time.monotonic() < until:
            await asyncio.sleep(_LOOK_LATE_EVERY)
            is_held = self._parts.locks.is_held(record.uuid)
            if was_free and is_held:
                return
            if is_held:
                continue
            was_free = True
            try:
                if await self._ended(record) is not ShutdownReason.SUSPEND:
                    continue
                name = f"domain {record.domid}"
                with self._parts.locks.hold(record.uuid, domain=name, doing="it is being resumed"):
                    log.warning("%s has suspended itself for a save that was given up", name)
                    await self._parts.workers.call(self._parts.libxl.resume, record.domid)
                return
            except DomusError as error:
                log.warning("domain %d may have to be resumed: %s", record.domid, error.for_user())

    async def _ended(self, record: ResumeDomain) -> ShutdownReason:
        """Why a domain does not run; NONE: it does."""
        found = await self._parts.workers.call(self._parts.libxl.domain_info, record.domid)
        if found is None or found["uuid"] != record.uuid:
            return ShutdownReason.UNKNOWN
        if not found["shutdown"]:
            return ShutdownReason.NONE
        is_suspended = found["shutdown_reason"] == ShutdownReason.SUSPEND
        return ShutdownReason.SUSPEND if is_suspended else ShutdownReason.UNKNOWN

    async def _withdraw(self, domid: int) -> bool:
        """Take the request to suspend back, as libxl does at its time limit; False: there is none."""
        path = f"/local/domain/{domid}/control/shutdown"

        async def body(transaction: Transaction) -> bool:
            if await transaction.read(path) != b"suspend":
                return False
            await transaction.write(path, "")
            return True

        return await self._parts.store.transaction(body)
