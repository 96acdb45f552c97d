"""The host that receives: a domain is built from another host's stream, and waits, paused, for its word."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace

from domus.domains.build import Handle
from domus.domains.frames import SILENT_WITHIN, DiskPart, Unpacker
from domus.domains.journal import SettleMove
from domus.domains.migration import acceptance, checks, copying
from domus.domains.migration.acceptance import CERTIFIED
from domus.domains.migration.copying import IncomingDisks
from domus.domains.migration.moves import Moves
from domus.domains.migration.settling import ASK_AFTER, Settling, Undecided
from domus.domains.parts import Parts
from domus.domains.transfer import check_exported
from domus.model.config import DomainConfig
from domus.model.errors import (
    AlreadyExists,
    BadInput,
    Conflict,
    DomusError,
    Forbidden,
    HostProblem,
    LibxlError,
    NotFound,
    from_problem,
)
from domus.model.migration import INCOMING, Answer, CopiedDisk, MadeFile, Move, Offer, Partner, Side, Stage
from domus.model.names import check_domain_name, check_uuid
from domus.model.settings import Relocation
from domus.storage.blobs import BlobStore
from domus.xen.libxl import Abort

log = logging.getLogger(__name__)

#: seconds from our yes to the first byte of the stream
_COMES_WITHIN: Final = 60.0

#: bytes that are handed to a worker thread at once
_BATCH: Final = 256 << 10

#: seconds between two reports of what has come
_TELL_EVERY: Final = 0.5

#: seconds between two questions to a host that is perhaps no more
_ASK_EVERY: Final = 1.0

_ID: Final = re.compile(r"[0-9a-f]{16}")


class _Incoming:
    """A domain that is expected, or arrives."""

    def __init__(self, copied: tuple[CopiedDisk, ...], *, checkpoints: bool) -> None:
        loop = asyncio.get_running_loop()
        self.copied = copied
        self.checkpoints = checkpoints  #: the last whole one counts, however the stream ends
        self.disks: IncomingDisks | None = None  #: once there is room for them
        self.memory = asyncio.Event()  #: its disks have been copied once: libxl's stream follows
        self.unpacker = Unpacker(
            disks=self._take, on_memory=lambda: loop.call_soon_threadsafe(self.memory.set)
        )
        self.abort = Abort()
        self.asked = time.monotonic()  #: when the other host was heard of last
        self.prepared = asyncio.Event()  #: only its memory is missing
        self.begun = asyncio.Event()  #: its stream has begun
        self.over = asyncio.Event()  #: nothing of its stream follows
        self.broken = ""  #: why its stream is of no use
        self.operation = ""

    def _take(self, part: DiskPart) -> None:
        if self.disks is None:
            raise HostProblem("it has no disks to copy")
        try:
            self.disks.take(part)
        except DomusError as error:
            self.broken = error.what
            raise

    def close(self) -> None:
        """Nothing is taken any more."""
        self.unpacker.close()
        if self.disks is not None:
            self.disks.close()


class Receiving:
    """Receives domains from other hosts. For the event loop."""

    def __init__(self, parts: Parts, store: BlobStore, moves: Moves, settling: Settling) -> None:
        self._parts = parts
        self._store = store
        self._moves = moves
        self._settling = settling
        self._incoming: dict[str, _Incoming] = {}
        self.relocation = Relocation()

    async def offered(self, offer: Offer, *, who: str, address: str) -> Answer:
        """Say what is against a domain of another host; nothing is, and it is expected from now on.

        Raises:
            Forbidden: this host takes no domains, or none of that one.
            BadInput: no domain could have been described so.
            Busy: something is going on with a domain of that name or uuid here.
        """
        host = os.uname().nodename
        if not who.startswith(CERTIFIED):
            raise Forbidden("a domain comes from a xend with a certificate", where=host)
        acceptance.check(self.relocation, who, address, "domains")
        _check_sane(offer)
        if any(move.id == offer.id for move in self._moves):
            raise AlreadyExists(f"migration {offer.id} is known here already", where="id")
        problems, config, copied = await checks.cannot_come(self._parts, self._store, offer)
        missing = checks.missing_images(self._store, config)
        if not (problems.found or missing or offer.check_only):
            await self._expect(offer, config, copied, who, address)
        return Answer(host=host, problems=tuple(problems.found), missing=missing, copied=copied)

    async def digests(self, move_id: str, number: int, first: int, *, who: str) -> bytes:
        """The digests of some chunks of what is in the place of the disk of this number; none: that was all.

        Raises:
            NotFound: no domain is expected with such a disk.
            HostProblem: it cannot be read.
        """
        incoming = self._incoming.get(move_id)
        if incoming is None or self._moves.get(move_id).who != who or number >= len(incoming.copied):
            raise NotFound(f"no disk is expected with migration {move_id[:40]!r}")
        found = await self._parts.workers.call(copying.digests, incoming.copied[number], first)
        incoming.asked = time.monotonic()
        return found

    async def receive(self, move_id: str, pieces: AsyncIterator[bytes], *, who: str) -> Move:
        """Take the stream in; on return the domain is built, and paused.

        Raises:
            NotFound: it is not expected, or no longer.
            DomusError: it could not be built; nothing of it is left.
        """
        incoming = self._incoming.get(move_id)
        if incoming is None or incoming.begun.is_set() or self._moves.get(move_id).who != who:
            raise NotFound(f"no domain is expected as migration {move_id[:40]!r}")
        incoming.begun.set()
        try:
            await self._feed(incoming, pieces)
        except BaseException as error:
            incoming.broken = incoming.broken or f"the stream broke off: {_told(error)}"
            raise
        finally:
            incoming.over.set()
            if not (incoming.unpacker.whole or incoming.checkpoints):
                incoming.broken = incoming.broken or "the stream broke off"
                await self._parts.workers.call(incoming.abort.ask)
            incoming.unpacker.end()
        return await self._built(move_id, incoming)

    def move(self, move_id: str) -> Move:
        """How a move stands; raises NotFound."""
        return self._moves.get(move_id)

    # Steps

    async def _expect(
        self, offer: Offer, config: DomainConfig, copied: tuple[CopiedDisk, ...], who: str, address: str
    ) -> None:
        incoming = _Incoming(copied, checkpoints=offer.replicated)
        server_name = who.removeprefix("cn:")
        move = Move(
            id=offer.id,
            stage=Stage.RECEIVING,
            domain=config.name,
            uuid=config.uuid or "",
            partner=Partner(
                name=offer.sender.host, address=address, port=offer.sender.port, server_name=server_name
            ),
            who=who,
            started=time.time(),
            managed=offer.managed,
            copied=tuple(disk.target for disk in copied if not disk.below),
            made=copying.planned(copied, offer.id),
            replicated=offer.replicated,
        )

        async def body(operation: Handle) -> None:
            try:
                await self._arrive(operation, offer, config, move, incoming)
            finally:
                self._incoming.pop(offer.id, None)
                incoming.close()

        await self._moves.put(move)
        self._incoming[offer.id] = incoming
        try:
            begun = await self._parts.begin(
                "receive",
                body,
                config.name,
                config.uuid or "",
                domain=config.name,
                uuid=config.uuid or "",
                doing=f"it is moving from {offer.sender.host}",
                who=who,
            )
        except BaseException:
            del self._incoming[offer.id]
            self._settling.never_begun(offer.id)
            raise
        incoming.operation = begun.id
        # What can be done before the guest is suspended over there is done before.
        async for operation in self._parts.operations.changes(begun.id):
            if incoming.prepared.is_set():
                break
            if operation.problem is not None:
                raise from_problem(operation.problem)

    async def _arrive(
        self, operation: Handle, offer: Offer, config: DomainConfig, move: Move, incoming: _Incoming
    ) -> None:
        other = offer.sender.host

        async def make(document: dict[str, Any]) -> int:
            document["b_info"].update(offer.present)
            incoming.prepared.set()
            operation.say(f"waiting for its memory from {other}")
            await self._begins(operation, incoming, other)
            workers, libxl = self._parts.workers, self._parts.libxl
            descriptor, abort = incoming.unpacker.descriptor, incoming.abort
            try:
                domid = await workers.call_abortably(
                    abort.ask,
                    lambda: libxl.restore(document, descriptor, abort, checkpoints=offer.replicated),
                )
            except (LibxlError, DomusError) as error:
                why = incoming.broken or error.what
                raise HostProblem(
                    f"Restore failed: {why}", hint="xend's log has all that libxl said"
                ) from error
            finally:
                incoming.unpacker.close()
            return domid

        async with operation.step("preparing for it", undo=SettleMove(move.id)):
            await self._make_room(offer, config, move, incoming)
            named = replace(config, name=config.name + INCOMING)
        await self._parts.builder.create(operation, named, paused=True, make=make, moving=True)
        await self._whole(incoming)
        await self._moves.change(move.id, stage=Stage.READY, domid=operation.domid())
        await operation.commit(SettleMove(move.id))
        async with operation.step(f"waiting for the word of {other}"):
            if offer.failover_s:
                await self._fail_over(move, offer.failover_s)
            elif not offer.replicated:  # else nobody says anything unless asked
                await self._settling.wait_for_news(move.id, ASK_AFTER)
            move = await self._settling.persist(move.id, tell=operation.say)
        if move.stage is Stage.REFUSED:
            raise Conflict(f"'{config.name}' stays with {other}")

    async def _fail_over(self, move: Move, within: float) -> None:
        """Ask the other host for its word; when it says nothing for so many seconds, the domain runs here."""
        until = time.monotonic() + within
        while (left := until - time.monotonic()) > 0:
            with suppress(Undecided):
                await self._settling.settle(move.id)
                return
            await self._settling.wait_for_news(move.id, min(left, _ASK_EVERY))
        with suppress(Conflict):  # it has spoken at the last moment
            who = f"failover, {move.partner.name} having said nothing for {within:g} s"
            await self._settling.decide(move.uuid, Side.HERE, who=who)

    async def _make_room(self, offer: Offer, config: DomainConfig, move: Move, incoming: _Incoming) -> None:
        """Make the files for disks that are copied, and open all that are."""
        if not incoming.copied:
            return
        wanted = {disk.vdev: disk for disk in offer.disks}

        def make_all() -> tuple[MadeFile, ...]:
            fresh = [disk for disk in incoming.copied if disk.fresh]
            return tuple(
                copying.make(file, disk, config.disks[disk.place], wanted[disk.vdev])
                for file, disk in zip(move.made, fresh, strict=True)
            )

        def open_all(made: tuple[MadeFile, ...]) -> None:
            for file in made:
                copying.put_in_place(file)
            incoming.disks = IncomingDisks(incoming.copied)

        made = await self._parts.workers.call(make_all)
        await self._moves.change(move.id, made=made)
        await self._parts.workers.call(open_all, made)

    async def _begins(self, operation: Handle, incoming: _Incoming, other: str) -> None:
        """Wait for the first byte of the domain's memory."""
        while not incoming.begun.is_set():
            left = incoming.asked + _COMES_WITHIN - time.monotonic()
            if left <= 0:
                raise HostProblem(f"{other} announced a domain and did not send it")
            with suppress(TimeoutError):
                await asyncio.wait_for(incoming.begun.wait(), left)
        while not (incoming.memory.is_set() or incoming.over.is_set()):
            if incoming.disks is not None:
                operation.say(f"receiving its disks: {incoming.disks.received >> 20} MiB")
            with suppress(TimeoutError):
                await asyncio.wait_for(incoming.memory.wait(), _TELL_EVERY)
        if not incoming.memory.is_set():
            raise HostProblem(f"Restore failed: {incoming.broken or 'the stream broke off'}")
        operation.say("receiving its memory")

    async def _whole(self, incoming: _Incoming) -> None:
        """libxl has all that it needs; the end of the stream must have come, too."""
        try:
            await asyncio.wait_for(incoming.over.wait(), SILENT_WITHIN)
        except TimeoutError:
            incoming.broken = "the stream does not end"
        if not (incoming.unpacker.whole or incoming.checkpoints):
            raise HostProblem(f"Restore failed: {incoming.broken}")

    async def _feed(self, incoming: _Incoming, pieces: AsyncIterator[bytes]) -> None:
        waiting = bytearray()
        feed = incoming.unpacker.feed
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces, None), SILENT_WITHIN)
            except TimeoutError:
                incoming.broken = f"nothing came for {SILENT_WITHIN:.0f} s"
                raise HostProblem(incoming.broken) from None
            if piece is not None:
                waiting += piece
            if waiting and (piece is None or len(waiting) >= _BATCH or _is_quiet(piece)):
                try:
                    await self._parts.workers.call(feed, bytes(waiting))
                except OSError:
                    return  # libxl reads no more: the operation knows why
                waiting.clear()
            if piece is None:
                return

    async def _built(self, move_id: str, incoming: _Incoming) -> Move:
        async for operation in self._parts.operations.changes(incoming.operation):
            move = self._moves.get(move_id)
            if move.stage is not Stage.RECEIVING:
                return move
            if operation.state.final and operation.problem is not None:
                raise from_problem(operation.problem)
        return self._moves.get(move_id)


def _check_sane(offer: Offer) -> None:
    check_domain_name(offer.config.name)
    check_domain_name(offer.config.name + INCOMING)
    if offer.config.uuid is None or check_uuid(offer.config.uuid) != offer.config.uuid:
        raise BadInput("a domain that moves has a uuid", where="config.uuid")
    if not _ID.fullmatch(offer.id):
        raise BadInput("invalid id of a migration", where="id")
    if set(offer.present) - {"max_memkb", "target_memkb", "avail_vcpus"}:
        raise BadInput("unknown members", where="present")
    if offer.managed is not None:
        check_exported(offer.managed, "managed")
        if (offer.managed.uuid, offer.managed.name) != (offer.config.uuid, offer.config.name):
            raise BadInput("what is kept is of another domain", where="managed")


def _is_quiet(piece: bytes) -> bool:
    """A short piece: the sender has no more at this moment."""
    return len(piece) < 16 << 10


def _told(error: BaseException) -> str:
    return error.what if isinstance(error, DomusError) else type(error).__name__
