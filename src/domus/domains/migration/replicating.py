"""Domains that stay, and are kept on another host for the case that this one is lost: Remus.

It is a move that is never handed over: the other host gets checkpoint after checkpoint, and builds the domain
from the last whole one when no more come. Then it asks, as after any accident (see settling): a host that
lives keeps its domain, and the copy is thrown away.

Source: libxl.h (libxl_domain_remus_start); xl(1), "remus".
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec.structs import replace

from domus.domains.build import Handle
from domus.domains.frames import Packer
from domus.domains.journal import ResumeDomain, SettleMove
from domus.domains.migration import checks
from domus.domains.migration.link import Connect, Link
from domus.domains.migration.moves import Moves
from domus.domains.migration.rounds import Rounds
from domus.domains.migration.sending import Sending, both, refusal, save_failure
from domus.domains.parts import Parts
from domus.domains.saving import Saving
from domus.model.domain import DomainInfo
from domus.model.errors import (
    BadInput,
    Cancelled,
    DomusError,
    HostProblem,
    LibxlError,
    OutcomeUnknown,
    Unreachable,
    WrongState,
)
from domus.model.migration import MigrateRequest, Move, Partner, ReplicateRequest, Stage
from domus.model.operation import Operation
from domus.xen.libxl import Abort

_TELL_EVERY: Final = 0.5
_MEBIBYTE: Final = 1 << 20

_NO_LIVE: Final = "this hypervisor has no shadow paging, without which a PV guest cannot be replicated"


class Replicating:
    """Keeps domains on other hosts, too. For the event loop."""

    def __init__(
        self, parts: Parts, saving: Saving, moves: Moves, sending: Sending, connect: Connect
    ) -> None:
        self._parts = parts
        self._saving = saving
        self._moves = moves
        self._sending = sending
        self._connect = connect

    async def replicate(self, reference: str, request: ReplicateRequest, *, who: str) -> Operation:
        """Keep a domain on another host until one of the two is lost, or this is cancelled.

        Raises:
            DomainNotFound, Busy, Forbidden (domain 0), WrongState (it does not run).
            BadInput: what is wanted is not safe, and was not said to be wanted all the same.
        """
        _check(request)
        info, domid = await self._saving.running(reference, "replicate")

        async def body(operation: Handle) -> None:
            if request.to is None:
                await self._to_nowhere(operation, info, domid, request)
                return
            link = self._connect(request.to)
            try:
                await self._to_host(operation, info, domid, request, request.to, link, who)
            finally:
                link.close()

        to = "nowhere" if request.to is None else request.to.name
        return await self._parts.begin(
            "replicate",
            body,
            info.name,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing=f"it is being replicated to {to}",
            who=who,
        )

    async def _to_nowhere(
        self, operation: Handle, info: DomainInfo, domid: int, request: ReplicateRequest
    ) -> None:
        if not await self._parts.workers.call(checks.can_be_live, self._parts, info.guest_type):
            raise WrongState(_NO_LIVE)
        abort, workers, libxl = Abort(), self._parts.workers, self._parts.libxl
        async with operation.step("writing checkpoints to nowhere", undo=ResumeDomain(info.uuid, domid)):
            descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            try:
                await workers.call_abortably(
                    abort.ask, lambda: libxl.replicate(domid, descriptor, _document(request), abort)
                )
            except LibxlError as error:
                raise save_failure(error, domid) from error
            finally:
                os.close(descriptor)
        raise HostProblem(f"'{info.name}' is replicated no longer", hint="it runs on here")

    async def _to_host(
        self,
        operation: Handle,
        info: DomainInfo,
        domid: int,
        request: ReplicateRequest,
        to: Partner,
        link: Link,
        who: str,
    ) -> None:
        async with operation.step(f"asking {to.name}"):
            as_move = MigrateRequest(to=to, live=True)
            offer, problems, _, live = await self._sending.offer(info, domid, as_move)
            offer = replace(offer, replicated=True, failover_s=request.failover_s)
            if not live:
                raise WrongState(_NO_LIVE)
            if problems:
                answer = await self._parts.workers.call(link.offer, replace(offer, check_only=True))
                raise refusal(to.name, (*problems, *answer.problems))
            await self._sending.agree(offer, link, to.name)
        move = Move(
            id=offer.id,
            stage=Stage.SENDING,
            domain=info.name,
            uuid=info.uuid,
            domid=domid,
            partner=to,
            who=who,
            started=time.time(),
            managed=offer.managed,
            replicated=True,
        )
        async with operation.step(f"replicating it to {to.name}", undo=SettleMove(move.id)):
            await self._moves.put(move)
            try:
                await self._stream(operation, domid, link, move, _document(request))
            except Cancelled:
                raise
            except DomusError as error:
                told = f"'{info.name}' is replicated no longer: {error.what}"
                raise HostProblem(told, hint="it runs on here") from error

    async def _stream(
        self, operation: Handle, domid: int, link: Link, move: Move, info: dict[str, Any]
    ) -> None:
        """Send checkpoints for as long as they are taken. It never ends well."""
        abort, rounds = Abort(), Rounds()
        packer = Packer(watch=rounds.feed)
        workers, libxl = self._parts.workers, self._parts.libxl

        async def write() -> None:
            try:
                await workers.call_abortably(
                    abort.ask, lambda: libxl.replicate(domid, packer.descriptor, info, abort)
                )
            finally:
                packer.abandon()
            raise HostProblem("libxl writes no more of it")

        async def send() -> None:
            try:
                await workers.call_abortably(link.hang_up, lambda: link.send(move.id, packer.frames()))
            except (Unreachable, OutcomeUnknown) as error:
                raise HostProblem(f"the connection to {move.partner.name} is lost") from error
            finally:
                packer.hang_up()
                abort.ask()
            raise HostProblem(f"{move.partner.name} takes no more of it")

        try:
            async with _telling(operation, packer, rounds):
                await both(write(), send())
        except LibxlError as error:
            raise save_failure(error, domid) from error
        finally:
            packer.close()


@asynccontextmanager
async def _telling(operation: Handle, packer: Packer, rounds: Rounds) -> AsyncIterator[None]:
    """Say from time to time how far it is."""

    async def often() -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            sent = f"{packer.sent / _MEBIBYTE:.1f} MiB sent"
            told = f"checkpoint {rounds.checkpoints}" if rounds.checkpoints else "its memory"
            operation.say(f"{told}, {sent}")

    task = asyncio.create_task(often(), name="progress")
    try:
        yield
    finally:
        task.cancel()


def _check(request: ReplicateRequest) -> None:
    """What libxl refuses, in words that say what to do."""
    if request.interval_ms < 1 or request.failover_s < 0:
        raise BadInput("the interval is a millisecond or more, and a failover takes no negative time")
    missing = {
        "its checkpoints go nowhere": request.to is None,
        "what it sends is not held back": not request.network_buffering,
        "its disks are not replicated": not request.disk_replication,
    }
    reasons = [reason for reason, holds in missing.items() if holds]
    if reasons and not request.unsafe:
        raise BadInput(f"not safe: {' and '.join(reasons)}", hint="-F does it all the same")


def _document(request: ReplicateRequest) -> dict[str, Any]:
    """libxl_domain_remus_info."""
    script = {"netbufscript": request.network_script} if request.network_script else {}
    return {
        "interval": request.interval_ms,
        "allow_unsafe": str(request.unsafe),
        "blackhole": str(request.to is None),
        "netbuf": str(request.network_buffering),
        "diskbuf": str(request.disk_replication),
        "compression": "False",  # xend packs all that it sends
        "colo": "False",
        **script,
    }
