"""Domains that stay, and are kept on another host for the case that this one is lost: Remus.

It is a move that is never handed over: the other host gets checkpoint after checkpoint, and builds the domain
from the last whole one when no more come. Then it asks, as after any accident (see settling): a host that
lives keeps its domain, and the copy is thrown away.

Source: libxl.h (libxl_domain_remus_start); xl(1), "remus".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

from msgspec.structs import replace

from domus.domains.build import Handle
from domus.domains.frames import Packer
from domus.domains.journal import ResumeDomain, SettleMove
from domus.domains.migration import checks
from domus.domains.migration.link import Connect, Link
from domus.domains.migration.meter import MEBIBYTE, telling
from domus.domains.migration.moves import Moves
from domus.domains.migration.rounds import Rounds
from domus.domains.migration.sending import Sending, begun, both, save_failure
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
from domus.model.migration import MigrateRequest, Partner, ReplicateRequest
from domus.model.operation import Operation
from domus.xen.libxl import Abort

#: what libxl says where it was built without libnl (libxl_remus.c), as Debian's is
_NO_BUFFERING: Final = "No support for network buffering"


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
            if not await self._parts.workers.call(checks.can_be_live, self._parts, info.guest_type):
                raise WrongState(
                    "this hypervisor has no shadow paging, without which a PV guest cannot be replicated"
                )
            if request.to is None:
                async with operation.step("replicating it to nowhere", undo=ResumeDomain(info.uuid, domid)):
                    await self._stream(operation, info, domid, request, _drop, lambda: None)
                return
            with closing(self._connect(request.to)) as link:
                await self._to_host(operation, info, domid, request, request.to, link, who)

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
            offer, problems, _, _ = await self._sending.offer(info, domid, MigrateRequest(to=to))
            offer = replace(offer, replicated=True, failover_s=request.failover_s)
            await self._sending.agree(offer, problems, link, to.name)
        move = begun(offer, domid, to, who)

        def deliver(frames: Iterator[bytes]) -> None:
            try:
                link.send(move.id, frames)
            except (Unreachable, OutcomeUnknown) as error:
                raise HostProblem(f"the connection to {to.name} is lost") from error
            raise HostProblem(f"{to.name} takes no more of it")

        async with operation.step(f"replicating it to {to.name}", undo=SettleMove(move.id)):
            await self._moves.put(move)
            await self._stream(operation, info, domid, request, deliver, link.hang_up)

    async def _stream(
        self,
        operation: Handle,
        info: DomainInfo,
        domid: int,
        request: ReplicateRequest,
        deliver: Callable[[Iterator[bytes]], None],
        hang_up: Callable[[], None],
    ) -> None:
        """Send checkpoints for as long as they are taken; never ends but by an error.

        Args:
            deliver: takes the frames, in a worker thread, until `hang_up` or the last of them.
        """
        abort, rounds = Abort(), Rounds()
        packer = Packer(watch=rounds.feed)
        workers, libxl = self._parts.workers, self._parts.libxl

        async def write() -> None:
            try:
                await workers.call_abortably(
                    abort.ask, lambda: libxl.replicate(domid, packer.descriptor, _document(request), abort)
                )
            finally:
                packer.abandon()
            raise HostProblem("libxl writes no more of it")

        async def send() -> None:
            try:
                await workers.call_abortably(hang_up, lambda: deliver(packer.frames()))
            finally:
                packer.hang_up()
                abort.ask()

        def tell() -> None:
            told = f"checkpoint {rounds.checkpoints}" if rounds.checkpoints else "its memory"
            operation.say(f"{told}, {packer.sent / MEBIBYTE:.1f} MiB sent")

        try:
            async with telling(tell):
                await both(write(), send())
        except Cancelled:
            raise
        except DomusError as error:
            why = save_failure(error, domid).what if isinstance(error, LibxlError) else error.what
            told = f"'{info.name}' is replicated no longer: {why}"
            without = "; -F -n does without that" if _NO_BUFFERING in why else ""
            raise HostProblem(told, hint=f"it runs on here{without}") from error
        finally:
            packer.close()


def _drop(frames: Iterator[bytes]) -> None:
    """To nowhere."""
    for _ in frames:
        pass


def _check(request: ReplicateRequest) -> None:
    """What libxl refuses, in words that say what to do."""
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
