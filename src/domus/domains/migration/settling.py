"""Whose a domain is: each move is brought to its end on this host, whatever happened to either side.

The rules, of which docs/migration.md has the reasons:

* The sender may take all back until it has written HANDING_OVER; then only the receiver's word counts.
* The receiver lets the domain run only after it has written TAKEN, and does that only on the sender's word.
* REFUSED and TAKEN, KEPT and SENT are final. Who does not know asks, for as long as it takes; meanwhile the
  domain stays paused, and its locks are held.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any, Final

from msgspec.structs import replace

from domus.domains.events import EventKind
from domus.domains.journal import ResumeDomain
from domus.domains.migration import copying
from domus.domains.migration.link import Connect, Link
from domus.domains.migration.moves import Moves
from domus.domains.parts import Parts
from domus.domains.saving import Saving
from domus.model.config import DomainConfig
from domus.model.errors import (
    Busy,
    Conflict,
    DomainNotFound,
    DomusError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
)
from domus.model.migration import Move, Side, Stage
from domus.network import bridges
from domus.network.announce import announce

log = logging.getLogger(__name__)

#: seconds between two questions to a host that does not know or does not answer: they grow
_ASK_AGAIN: Final = (0.5, 1.0, 2.0, 5.0, 10.0)

#: seconds that a receiver waits for the sender's word before it asks for it
ASK_AFTER: Final = 20.0


class Undecided(OutcomeUnknown):
    """It cannot be known now whose the domain is."""

    code = "undecided"


class Settling:
    """Brings moves to their ends. For the event loop."""

    def __init__(self, parts: Parts, moves: Moves, saving: Saving, connect: Connect) -> None:
        self._parts = parts
        self._moves = moves
        self._saving = saving
        self._connect = connect
        self._working: dict[str, asyncio.Lock] = {}
        self._links: dict[str, Link] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def start(self) -> None:
        """Go on with what a former xend left; the domains' locks are held from here on."""
        for move in self._moves:
            if not move.settled:
                self._begin(self._through(move, self._locked(move)))

    def _locked(self, move: Move) -> tuple[str, ...]:
        keys = (move.domain, move.uuid)
        try:
            self._parts.locks.take(*keys, domain=move.domain, doing=_doing(move))
        except Busy:
            return ()  # by an older move of the same domain
        return keys

    async def close(self) -> None:
        """Stop asking; the next xend goes on."""
        self._closing.set()
        for link in self._links.values():
            link.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def persist(
        self, move_id: str, *, link: Link | None = None, tell: Callable[[str], None] = lambda _: None
    ) -> Move:
        """Settle a move, however long that takes; `tell` is given the reason while it waits.

        Raises:
            DomusError: xend stops.
        """
        for pause in _pauses():
            news = self._news.setdefault(move_id, asyncio.Event())
            news.clear()
            try:
                return await self.settle(move_id, link=link)
            except DomusError as error:  # also of a full disk, on which nothing can be written down
                if self._closing.is_set():
                    raise
                await self._note(move_id, error)
                tell(error.for_user())
            link = None
            await self.wait_for_news(move_id, pause)
        raise AssertionError("the pauses never end")

    async def wait_for_news(self, move_id: str, within: float) -> None:
        """Wait until somebody has decided, or xend stops; at most `within` seconds."""
        news = self._news.setdefault(move_id, asyncio.Event())
        waiting = [asyncio.ensure_future(news.wait()), asyncio.ensure_future(self._closing.wait())]
        try:
            await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def settle(self, move_id: str, *, link: Link | None = None, recovering: bool = False) -> Move:
        """Bring a move to its end now, or raise Undecided; harmless when it is at its end."""
        while True:
            async with self._work(move_id):
                move = self._moves.get(move_id)
                if move.settled:
                    return move
                waits = move.stage is Stage.READY and await self._is_here(move)
                if not waits:
                    async with self._linked(move, link) as partner:
                        await self._step(move, partner, recovering=recovering)
            if waits:
                # Not under the lock: the sender's word may come by itself meanwhile.
                async with self._linked(move, link) as partner:
                    answer = await self._answer(move, partner, "look")
                async with self._work(move_id):
                    if self._moves.get(move_id).stage is Stage.READY:
                        await self._hear(move, answer)

    def never_begun(self, move_id: str) -> None:
        """Nothing was made for it here: it is refused, as soon as that can be written down."""

        async def refuse() -> None:
            for pause in _pauses():
                try:
                    await self._moves.change(move_id, stage=Stage.REFUSED, settled=True)
                    return
                except DomusError as error:
                    log.warning("migration %s is refused: %s", move_id, error.for_user())
                await self.wait_for_news(move_id, pause)

        self._begin(refuse())

    async def commit(self, move_id: str, who: str) -> Move:
        """The sender says that the domain may run here; the answer is final."""
        return await self._told_by_sender(move_id, who, Stage.TAKEN)

    async def abort(self, move_id: str, who: str) -> Move:
        """The sender says that the domain stays with it; the answer is final."""
        return await self._told_by_sender(move_id, who, Stage.REFUSED)

    async def decide(self, reference: str, side: Side, who: str) -> Move:
        """A person says whose a domain is that waits for an answer.

        Raises:
            NotFound: no domain of this name waits.
            Conflict: nothing is open.
        """
        move = self._moves.last_of(reference)
        if move is None:
            raise NotFound(f"no migration of '{reference[:128]}' is known here")
        if link := self._links.get(move.id):
            link.hang_up()
        async with self._work(move.id):
            move = self._moves.get(move.id)
            if move.stage not in (Stage.READY, Stage.HANDING_OVER):
                raise Conflict(
                    f"the migration of '{move.domain}' waits for nobody: {move.stage}",
                    hint=f"cancel it with xm migrate --cancel {move.domain}"
                    if not move.stage.decided
                    else "",
                )
            log.warning("%s decides that %s is %s (%s)", who, move.domain, side, move.id)
            here = Stage.TAKEN if move.stage.arriving else Stage.KEPT
            there = Stage.REFUSED if move.stage.arriving else Stage.SENT
            stage = here if side is Side.HERE else there
            move = await self._moves.change(move.id, stage=stage, told=f"decided by {who}")
            move = await self._step(move, None)
        self._tell(move.id)
        return move

    # One step from where a move is

    async def _step(self, move: Move, partner: Link | None, *, recovering: bool = False) -> Move:
        match move.stage:
            case Stage.SENDING:
                return await self._take_back(move, partner, recovering=recovering)
            case Stage.HANDING_OVER:
                return await self._hand_over(move, partner)
            case Stage.SENT:
                return await self._let_go(move)
            case Stage.KEPT:
                if move.held:
                    await self._parts.builder.unpause(move.uuid, _domid(move))
                await self._saving.resuming.resume(ResumeDomain(move.uuid, _domid(move)))
            case Stage.RECEIVING | Stage.READY:  # incomplete, or gone
                return await self._moves.change(move.id, stage=Stage.REFUSED)
            case Stage.TAKEN:
                await self._take(move)
            case Stage.REFUSED:
                await self._parts.builder.take_away(move.uuid, move.domid)
                if (kept := self._parts.kept.get(move.uuid)) and kept.domid in (None, move.domid):
                    await self._parts.kept.forget(move.uuid)
                await self._parts.workers.call(copying.take_back, move.made)
        return await self._moves.change(move.id, settled=True)

    async def _take_back(self, move: Move, partner: Link | None, *, recovering: bool) -> Move:
        found = await self._parts.workers.call(self._parts.libxl.domain_info, _domid(move))
        if found is None or found["uuid"] != move.uuid:
            # This host was started anew, or the guest ended: if the other has it whole, it is the only one.
            return await self._moves.change(move.id, stage=Stage.HANDING_OVER)
        if recovering and found["shutdown"] and partner is not None:
            # A person may have decided meanwhile that it is there.
            try:
                answer = await self._parts.workers.call(partner.abort, move.id)
            except DomusError as error:
                log.info("%s: %s", move.partner.name, error.for_user())
            else:
                if answer.stage is Stage.TAKEN:
                    return await self._moves.change(move.id, stage=Stage.SENT)
        elif partner is not None:
            self._begin(self._tell_kept(move))
        return await self._moves.change(move.id, stage=Stage.KEPT)

    async def _hand_over(self, move: Move, partner: Link | None) -> Move:
        answer = await self._answer(move, partner, "commit")
        if answer is None or answer.stage is Stage.REFUSED:
            told = f"{move.partner.name} did not take it"
            return await self._moves.change(move.id, stage=Stage.KEPT, told=told)
        if answer.stage is Stage.TAKEN:
            return await self._moves.change(move.id, stage=Stage.SENT)
        raise self._undecided(move, f"{move.partner.name} says that it is {answer.stage}")

    async def _hear(self, move: Move, answer: Move | None) -> Move:
        if answer is None or answer.stage is Stage.KEPT:
            return await self._moves.change(move.id, stage=Stage.REFUSED)
        if answer.stage in (Stage.HANDING_OVER, Stage.SENT):
            return await self._moves.change(move.id, stage=Stage.TAKEN)
        raise self._undecided(move, f"{move.partner.name} has not decided yet")

    async def _answer(self, move: Move, partner: Link | None, question: str) -> Move | None:
        """What the other host says; None: it knows of no such move."""
        if partner is None:
            raise self._undecided(move, f"{move.partner.name} cannot be asked")
        try:
            answer: Move = await self._parts.workers.call(getattr(partner, question), move.id)
        except NotFound:
            return None
        except DomusError as error:
            raise self._undecided(move, f"{move.partner.name} does not answer: {error.what}") from error
        return answer

    async def _let_go(self, move: Move) -> Move:
        parts = self._parts
        await parts.builder.take_away(move.uuid, _domid(move))
        if (kept := parts.kept.get(move.uuid)) and kept.domid == move.domid:
            await parts.kept.forget(move.uuid)
        if move.managed is not None:
            await parts.definitions.replace_all([move.uuid], [])
            self._publish(EventKind.DOMAIN_DELETED, move, who=move.who)
        self._publish(EventKind.DOMAIN_MOVED_AWAY, move, to=move.partner.name)
        return await self._moves.change(move.id, settled=True)

    async def _take(self, move: Move) -> None:
        parts, domid = self._parts, _domid(move)
        if await self._is_here(move):
            await parts.builder.unpause(move.uuid, domid)
            kept = parts.kept.get(move.uuid)
            if kept is not None and kept.domid == domid:
                await parts.workers.call(_announce, kept.config)
                try:
                    await parts.builder.rename(domid, move.domain)
                except DomainNotFound:
                    pass  # it has ended since
                await parts.kept.put(replace(kept, config=replace(kept.config, name=move.domain)))
        if move.managed is not None:
            await parts.definitions.replace_all([move.uuid], [move.managed])
            revision = str(move.managed.history[-1].number)
            self._publish(EventKind.DOMAIN_DEFINED, move, who=move.who, revision=revision)
        self._publish(EventKind.DOMAIN_ARRIVED, move, host=move.partner.name)

    async def _is_here(self, move: Move) -> bool:
        if move.domid is None:
            return False
        found = await self._parts.workers.call(self._parts.libxl.domain_info, move.domid)
        return found is not None and found["uuid"] == move.uuid and not found["dying"]

    # Pieces

    async def _told_by_sender(self, move_id: str, who: str, stage: Stage) -> Move:
        if self._moves.get(move_id).who != who:
            raise Forbidden("only the host that sends a domain says what becomes of it")
        async with self._work(move_id):
            move = self._moves.get(move_id)
            if move.stage is Stage.READY:
                if stage is Stage.TAKEN and not await self._is_here(move):
                    stage = Stage.REFUSED
                move = await self._moves.change(move_id, stage=stage)
            if move.stage.decided and not move.settled:
                move = await self._step(move, None)
        self._tell(move_id)
        return move

    async def _tell_kept(self, move: Move) -> None:
        """Spare the receiver the asking, if it can be reached."""
        with closing(self._connect(move.partner)) as link:
            try:
                await self._parts.workers.call(link.abort, move.id)
            except DomusError as error:
                log.info(
                    "%s was not told that %s stays: %s", move.partner.name, move.domain, error.for_user()
                )

    async def _through(self, move: Move, keys: tuple[str, ...]) -> None:
        try:
            for pause in _pauses():
                self._news.setdefault(move.id, asyncio.Event()).clear()
                try:
                    await self.settle(move.id, recovering=True)
                    return
                except DomusError as error:
                    await self._note(move.id, error)
                await self.wait_for_news(move.id, pause)
        finally:
            if keys:
                self._parts.released(*keys)

    @asynccontextmanager
    async def _work(self, move_id: str) -> AsyncIterator[None]:
        async with self._working.setdefault(move_id, asyncio.Lock()):
            yield

    @asynccontextmanager
    async def _linked(self, move: Move, link: Link | None) -> AsyncIterator[Link | None]:
        """A link for one step, if the step can need one."""
        if link is None and (move.stage.decided or self._closing.is_set()):
            yield None
            return
        try:
            used = link or self._connect(move.partner)
        except DomusError as error:
            raise self._undecided(move, error.for_user()) from error
        self._links[move.id] = used
        try:
            yield used
        finally:
            self._links.pop(move.id, None)
            if link is None:
                used.close()

    def _undecided(self, move: Move, why: str) -> Undecided:
        other = move.partner.name
        if move.stage.arriving:
            check = f"if {other} is off for good: xm migrate --decide=here {move.domain}"
        else:
            check = f"if {other} is off, or has it no longer: xm migrate --decide=here {move.domain}"
        return Undecided(f"{why}; '{move.domain}' stays paused here", hint=f"{check}; else --decide=there")

    def _publish(self, kind: EventKind, move: Move, **detail: str) -> None:
        self._parts.events.publish(kind, domain=move.domain, domid=move.domid, uuid=move.uuid, **detail)

    async def _note(self, move_id: str, error: DomusError) -> None:
        """Why a move is not settled yet."""
        log.warning("migration of %s: %s", self._moves.get(move_id).domain, error.for_user())
        with suppress(DomusError):
            await self._moves.change(move_id, told=error.what)

    def _tell(self, move_id: str) -> None:
        self._news.setdefault(move_id, asyncio.Event()).set()

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _pauses() -> Iterator[float]:
    return itertools.chain(_ASK_AGAIN, itertools.repeat(_ASK_AGAIN[-1]))


def _announce(config: DomainConfig) -> None:
    for nic in config.nics:
        bridge = nic.bridge or bridges.default()
        if bridge and nic.mac and nic.backend_domain is None:
            announce(bridge, nic.mac, nic.ips)


def _doing(move: Move) -> str:
    return f"it is moving {'from' if move.stage.arriving else 'to'} {move.partner.name}"


def _domid(move: Move) -> int:
    return -1 if move.domid is None else move.domid
