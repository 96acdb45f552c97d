"""The host that sends: a domain's memory goes to another host, and then the domain is its."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable
from contextlib import ExitStack, closing
from typing import Any, Final

from msgspec.structs import replace

from domus.config import vdev
from domus.devices import disk_qemu
from domus.devices.vbd import Plugging, plugging
from domus.domains import xlfile
from domus.domains.build import Handle
from domus.domains.frames import Packer
from domus.domains.journal import SettleMove
from domus.domains.migration import checks, copying
from domus.domains.migration.copying import Outgoing, OutgoingDisks
from domus.domains.migration.holding import Holding, can_be_held
from domus.domains.migration.link import Connect, Link
from domus.domains.migration.meter import Meter
from domus.domains.migration.moves import Moves
from domus.domains.migration.rounds import Rounds
from domus.domains.migration.settling import Settling
from domus.domains.parts import Parts
from domus.domains.saving import Saving, present_config
from domus.model.config import DomainConfig, GuestType
from domus.model.domain import DomainInfo
from domus.model.errors import (
    Cancelled,
    Conflict,
    DomusError,
    HostProblem,
    LibxlError,
    Problem,
    WrongState,
    from_problem,
)
from domus.model.managed import ExportedDomain
from domus.model.migration import (
    Check,
    CopiedDisk,
    DiskIdentity,
    MigrateRequest,
    Move,
    Offer,
    Partner,
    Stage,
)
from domus.model.operation import Operation
from domus.storage import blobs, chunks, targets
from domus.storage.blobs import BlobStore
from domus.storage.writes import wait_written
from domus.xen.libxl import Abort

log = logging.getLogger(__name__)

#: seconds for the last writes of a suspended guest to reach its disks
_WRITTEN_WITHIN: Final = 20.0


class Sending:
    """Sends domains to other hosts. For the event loop."""

    def __init__(
        self,
        parts: Parts,
        store: BlobStore,
        saving: Saving,
        moves: Moves,
        settling: Settling,
        connect: Connect,
    ) -> None:
        self._parts = parts
        self._store = store
        self._saving = saving
        self._moves = moves
        self._settling = settling
        self._connect = connect
        self.port = 0  #: where our own xend is asked after an accident

    async def check(self, reference: str, request: MigrateRequest) -> Check:
        """What would make a move fail, on both hosts; nothing is changed.

        Raises:
            DomainNotFound, Forbidden, WrongState (it does not run).
            Unreachable: the other host does not answer, or refuses our certificate.
        """
        info, domid = await self._saving.running(reference, "migrate")
        with closing(self._connect(request.to)) as link:
            offer, problems, remarks, _ = await self.offer(info, domid, request)
            answer = await self._parts.workers.call(link.offer, replace(offer, check_only=True))
        return Check(
            problems=(*problems, *answer.problems), remarks=tuple(remarks), copied=tuple(answer.copied)
        )

    async def migrate(self, reference: str, request: MigrateRequest, *, who: str) -> Operation:
        """Move a domain to another host.

        Raises:
            DomainNotFound, Busy.
            Forbidden: domain 0.
            WrongState: it does not run.
        """
        info, domid = await self._saving.running(reference, "migrate")

        async def body(operation: Handle) -> None:
            with closing(self._connect(request.to)) as link:
                await self._move(operation, info, domid, request, link, who)

        return await self._parts.begin(
            "migrate",
            body,
            info.name,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing=f"it is moving to {request.to.name}",
            who=who,
        )

    # Steps

    async def _move(
        self,
        operation: Handle,
        info: DomainInfo,
        domid: int,
        request: MigrateRequest,
        link: Link,
        who: str,
    ) -> None:
        other = request.to.name
        async with operation.step(f"asking {other}"):
            offer, problems, remarks, live = await self.offer(info, domid, request)
            copied = await self.agree(offer, problems, link, other)
        known = await self._compared(operation, link, offer.id, copied)
        sent_along = tuple(disk.target for disk in copied if not disk.below)
        move = replace(begun(offer, domid, request.to, who), copied=sent_along)
        for remark in remarks:
            log.info("migration of %s: %s", info.name, remark)
        async with operation.step("sending its memory", undo=SettleMove(move.id)):
            await self._moves.put(move)
            rounds = Rounds()
            packer = Packer(request.bandwidth, watch=rounds.feed)
            meter = Meter(packer, rounds, info.memory_kib, operation.say)
            holding = Holding(self._parts, self._moves, move, request, packer, meter)
            disks = await self._outgoing(offer.config, domid, copied, known, meter)
            try:
                async with holding.during():
                    await self._stream(domid, link, move, packer, meter, disks, offer.config, live=live)
            finally:
                if disks is not None:
                    await self._parts.workers.call(disks.close)
        # From here on only the other host's word counts: written down before it is asked for.
        await operation.commit(SettleMove(move.id))
        await self._moves.change(
            move.id,
            stage=Stage.HANDING_OVER,
            memory_bytes=packer.taken,
            sent_bytes=packer.sent,
            rounds=holding.rounds_while_running if live else 0,
        )
        async with operation.step(f"handing it over to {other}"):
            move = await self._settling.persist(move.id, link=link, tell=operation.say)
        if move.stage is Stage.KEPT:
            raise Conflict(f"'{info.name}' stays here: {move.told}", where=other)

    async def agree(
        self, offer: Offer, problems: list[Problem], link: Link, other: str
    ) -> tuple[CopiedDisk, ...]:
        """Have the other host expect it; returns the disks that it needs.

        Args:
            problems: what is in the way here: it is only asked what else is, then.

        Raises:
            DomusError: something is in the way; it tells all of it.
        """
        if problems:
            answer = await self._parts.workers.call(link.offer, replace(offer, check_only=True))
            raise _refusal(other, (*problems, *answer.problems))
        for _ in range(2):
            answer = await self._parts.workers.call(link.offer, offer)
            if answer.problems:
                raise _refusal(other, answer.problems)
            if not answer.missing:
                return answer.copied
            for image in answer.missing:
                path = await self._parts.workers.call(self._store.get, image.removeprefix(blobs.PREFIX))
                await self._parts.workers.call(link.put_image, path)
        raise HostProblem(f"{other} asks again and again for the same kernel", where=other)

    async def offer(
        self, info: DomainInfo, domid: int, request: MigrateRequest
    ) -> tuple[Offer, list[Problem], list[str], bool]:
        """What the other host is asked; what is in the way here; what is good to know; it moves live."""
        parts = self._parts
        document = await parts.workers.call(parts.libxl.retrieve_config, domid)
        kept = parts.kept.running(info.uuid, domid)
        asked_for = None if kept is None else kept.config
        config = await parts.workers.call(present_config, document, asked_for, info.name)
        config = replace(config, name=info.name, uuid=info.uuid)
        problems = checks.cannot_leave(info, config)
        disks: tuple[DiskIdentity, ...] = ()
        with problems.noted():
            disks = await parts.workers.call(checks.disks_of, config)
        offer = Offer(
            id=secrets.token_hex(8),
            config=config,
            present=xlfile.present(document),
            sender=await parts.workers.call(checks.facts, parts, config.guest_type, self.port),
            disks=disks,
            managed=await self._managed(info.uuid),
            assume_shared=request.assume_shared,
            copying=request.copy_storage,
        )
        live = request.live and await parts.workers.call(checks.can_be_live, parts, config.guest_type)
        remarks = []
        if request.live and not live:
            remarks.append(
                "this hypervisor has no shadow paging, without which a PV guest cannot move live: it is "
                "suspended while its memory is sent"
            )
        elif (request.max_iterations or request.downtime_ms) and not await can_be_held(parts.store, domid):
            remarks.append("this guest is asked to suspend by an event channel: libxl counts its rounds")
        return offer, problems.found, remarks, live

    async def _managed(self, uuid: str) -> ExportedDomain | None:
        managed = self._parts.definitions.get(uuid)
        if managed is None:
            return None
        history = await self._parts.definitions.history(uuid)
        return ExportedDomain(uuid=uuid, history=tuple(history))

    # Disks that are not shared

    async def _compared(
        self, operation: Handle, link: Link, move_id: str, copied: tuple[CopiedDisk, ...]
    ) -> dict[int, bytes]:
        """What the other host has of the disks that it needs, by their place: digests of chunks."""
        known = {disk.place: copying.first_known(disk) for disk in copied if not disk.below}
        for number, disk in enumerate(copied):
            if not disk.base:
                continue
            async with operation.step(f"comparing {disk.target}"):
                told = await self._digests(operation, link, move_id, number, disk)
                if disk.below:
                    await self._parts.workers.call(copying.check_base, disk, told, operation.progress)
                else:
                    known[disk.place] = told
        return known

    async def _digests(
        self, operation: Handle, link: Link, move_id: str, number: int, disk: CopiedDisk
    ) -> bytes:
        found = b""
        while piece := await self._parts.workers.call(
            link.digests, move_id, number, len(found) // chunks.DIGEST
        ):
            found += piece
            operation.progress(min(len(found) / chunks.DIGEST * chunks.CHUNK / disk.size_bytes, 1.0))
        return found

    async def _outgoing(
        self,
        config: DomainConfig,
        domid: int,
        copied: tuple[CopiedDisk, ...],
        known: dict[int, bytes],
        meter: Meter,
    ) -> OutgoingDisks | None:
        if not known:
            return None
        backends = {
            each.device.devid: each.number
            for each in self._parts.hotplug.occupants()
            if each.device.domid == domid
        }

        def open_all() -> OutgoingDisks:
            with ExitStack() as opened:
                disks = []
                for disk in copied:
                    if disk.below:
                        continue
                    target = targets.inspect(config.disks[disk.place].target or "", writable=False, raw=False)
                    device = None if disk.grows else backends.get(vdev.number(disk.vdev))
                    disks.append(Outgoing(disk, target.path, device, known[disk.place]))
                    opened.callback(disks[-1].close)
                opened.pop_all()
            return OutgoingDisks(disks, meter.of_disks)

        return await self._parts.workers.call(open_all)

    async def _quiet(self, domid: int, config: DomainConfig) -> None:
        """The domain has suspended itself: on return all that it wrote is on its disks."""
        await self._parts.workers.call(wait_written, self._disks(domid), within=_WRITTEN_WITHIN)
        by_qemu = any(plugging(disk, config.guest_type) is Plugging.QEMU for disk in config.disks)
        if by_qemu and config.guest_type is not GuestType.HVM:  # whose QEMU libxl itself stops
            await disk_qemu.flush(domid)

    async def _stream(
        self,
        domid: int,
        link: Link,
        move: Move,
        packer: Packer,
        meter: Meter,
        disks: OutgoingDisks | None,
        config: DomainConfig,
        *,
        live: bool,
    ) -> None:
        """Send disks and libxl's stream; on return the domain is suspended here, and built there."""
        abort, loop = Abort(), asyncio.get_running_loop()
        workers, libxl = self._parts.workers, self._parts.libxl
        turn = asyncio.Event()  #: of libxl: the disks have been copied once

        async def save() -> None:
            try:
                await turn.wait()
                meter.memory_begins()
                await workers.call_abortably(
                    abort.ask, lambda: libxl.save(domid, packer.descriptor, abort, live=live)
                )
                await self._quiet(domid, config)
            except BaseException:
                packer.abandon()
                raise
            packer.end()

        async def send() -> None:
            frames = packer.frames(disks, lambda: loop.call_soon_threadsafe(turn.set))
            try:
                answer = await workers.call_abortably(link.hang_up, lambda: link.send(move.id, frames))
            except BaseException:
                packer.hang_up()
                abort.ask()
                raise
            if answer.stage is not Stage.READY:
                raise HostProblem(f"{move.partner.name} did not build it: it is {answer.stage}")

        try:
            async with meter.telling():
                await both(save(), send())
        except LibxlError as error:
            raise save_failure(error, domid) from error
        finally:
            packer.close()

    def _disks(self, domid: int) -> list[Any]:
        return [
            each.number
            for each in self._parts.hotplug.occupants()
            if each.device.domid == domid and each.writable and each.number is not None
        ]


async def both(saving: Awaitable[None], sending: Awaitable[None]) -> None:
    """Wait for both; when one fails the other is ended. What made the first fail is raised.

    When both have failed at once, what the other host said counts for more than libxl's broken pipe.
    """
    tasks = [asyncio.ensure_future(saving), asyncio.ensure_future(sending)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        failed = [each for each in tasks if each.done() and (each.cancelled() or each.exception())]
        if failed or not all(each.done() for each in tasks):
            for each in tasks:
                each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    order = [*reversed(failed), *(each for each in tasks if each not in failed)]
    errors = [each.exception() for each in order if not each.cancelled()]
    for error in errors:
        if error is not None and not isinstance(error, Cancelled):
            raise error
    if len(errors) < len(tasks) or any(errors):
        raise Cancelled("the migration was stopped")


def begun(offer: Offer, domid: int, to: Partner, who: str) -> Move:
    """What is remembered here of a domain that is sent."""
    return Move(
        id=offer.id,
        stage=Stage.SENDING,
        domain=offer.config.name,
        uuid=offer.config.uuid or "",
        domid=domid,
        partner=to,
        who=who,
        started=time.time(),
        managed=offer.managed,
        replicated=offer.replicated,
    )


def _refusal(other: str, problems: tuple[Problem, ...]) -> DomusError:
    """All that is in the way, as one error."""
    if len(problems) == 1:
        error = from_problem(problems[0])
        return type(error)(f"{error.what} (from {other})", where=error.where, hint=error.hint)
    told = "; ".join(f"{each.where}: {each.title}" if each.where else each.title for each in problems)
    return Conflict(f"{len(problems)} things are in the way: {told}", where=other, hint="see --dry-run")


def save_failure(error: LibxlError, domid: int) -> DomusError:
    """What it means that libxl could not write a domain's memory."""
    text = error.what
    if "acknowledge suspend" in text or "did not suspend" in text or "timed out" in text.lower():
        return WrongState(
            f"Timeout waiting for domain {domid} to suspend",
            hint="it goes on here; only a guest with Xen drivers that listen can be moved",
        )
    return HostProblem(f"its memory cannot be sent: {text}", hint="it goes on here")
