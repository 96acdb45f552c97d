"""Rounds of a live move that end before libxl ends them: the domain is paused, so that nothing changes.

libxc sends what was changed, round by round, until fewer than 50 pages were, or five rounds are over, and
lets nobody choose (xg_sr_save.c, simple_precopy_policy). A domain that is paused changes nothing: what it had
changed until then is sent, the next round finds next to nothing, and libxl asks it to suspend itself. For
that it has to run, so it goes on when control/shutdown says "suspend"; and when anything else happens to
that node, when nothing is sent any more, and at the end, whatever that is.

That it is held is in the record of its move before it is: whoever settles the move lets it go on
(`settling`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from domus.domains.frames import Packer
from domus.domains.migration.meter import Meter
from domus.domains.migration.moves import Moves
from domus.domains.parts import Parts
from domus.model.errors import DomusError
from domus.model.migration import MigrateRequest, Move
from domus.xen.xenstore import Watch, XenStore

log = logging.getLogger(__name__)

#: seconds in which nothing is sent, after which a domain is held no longer
_SILENT: Final = 15.0
_LOOK_EVERY: Final = 1.0


async def can_be_held(store: XenStore, domid: int) -> bool:
    """libxl asks a domain to suspend itself by control/shutdown, which can be seen.

    Some old guests offer an event channel for it instead (libxl_dom_suspend.c): they would be held for ever.
    """
    return not await store.read(f"/local/domain/{domid}/device/suspend/event-channel")


class Holding:
    """Holds one domain when enough rounds of its memory were sent. For the event loop."""

    def __init__(
        self, parts: Parts, moves: Moves, move: Move, request: MigrateRequest, packer: Packer, meter: Meter
    ) -> None:
        loop = asyncio.get_running_loop()
        self._parts = parts
        self._moves = moves
        self._move = move
        self._domid = -1 if move.domid is None else move.domid
        self._most_rounds = request.max_iterations
        self._limit_s = request.downtime_ms / 1000
        self._packer = packer
        self._meter = meter
        self._rounds = meter.rounds
        self._news = asyncio.Event()  #: another round has begun
        self._rounds.on_round = lambda: loop.call_soon_threadsafe(self._news.set)
        self._held_at = 0  #: how many rounds were over then

    @property
    def rounds_while_running(self) -> int:
        """How many rounds were sent while the domain ran, once all are over."""
        return self._held_at or max(0, self._rounds.number - 1)

    @asynccontextmanager
    async def during(self) -> AsyncIterator[None]:
        """While libxl sends the domain's memory."""
        if not (self._most_rounds or self._limit_s):
            yield
            return
        task = asyncio.create_task(self._watch(), name=f"rounds of {self._move.domain}")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        try:
            async with self._parts.store.watch(f"/local/domain/{self._domid}/control/shutdown") as asked:
                await asked.changes()  # which it begins with
                if await can_be_held(self._parts.store, self._domid) and await self._enough(asked):
                    await self._hold(asked)
        except DomusError as error:
            # Rounds that libxl counts are a slower move, and no worse one.
            log.warning("%s: its rounds are libxl's: %s", self._move.domain, error.for_user())

    async def _enough(self, asked: Watch) -> bool:
        """Wait until no further round is wanted; False: libxl has asked for the suspension by itself."""
        theirs = asyncio.ensure_future(asked.changes())
        try:
            while not self._is_enough():
                ours = asyncio.ensure_future(self._news.wait())
                await asyncio.wait((ours, theirs), return_when=asyncio.FIRST_COMPLETED)
                ours.cancel()
                self._news.clear()
                if theirs.done():
                    return False
            return True
        finally:
            theirs.cancel()

    def _is_enough(self) -> bool:
        over = self._rounds.number - 1
        if self._most_rounds and over >= self._most_rounds:
            return True
        expected = self._rounds.expected_s
        return bool(self._limit_s) and expected is not None and expected <= self._limit_s

    async def _hold(self, asked: Watch) -> None:
        self._held_at = self._rounds.number - 1
        log.info("%s is held after round %d", self._move.domain, self._held_at)
        await self._moves.change(self._move.id, held=True)
        try:
            await self._parts.workers.call(self._parts.libxl.pause, self._domid)
            self._meter.held = True
            await _asked_or_silent(asked, self._packer)
        finally:
            await self._parts.builder.unpause(self._move.uuid, self._domid)
            self._meter.held = False
            await self._moves.change(self._move.id, held=False)


async def _asked_or_silent(asked: Watch, packer: Packer) -> None:
    """Wait until the guest has to run, or nothing is sent any more."""
    taken, since = packer.taken, time.monotonic()
    while time.monotonic() - since < _SILENT:
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.changes(), _LOOK_EVERY)
            return
        if packer.taken != taken:
            taken, since = packer.taken, time.monotonic()
    log.warning("nothing is sent for %.0f s: the domain is held no longer", _SILENT)
