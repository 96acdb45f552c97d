"""Core dumps: a domain's memory as an ELF file, asked for, or before a dead domain is taken away."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from domus.domains.build import Handle
from domus.domains.events import EventKind
from domus.domains.journal import DestroyDomain, RemoveFile, UnpauseDomain
from domus.domains.parts import Parts
from domus.model.api import DumpRequest
from domus.model.domain import DomainInfo
from domus.model.errors import (
    BadInput,
    DomusError,
    Forbidden,
    HostProblem,
    NoCapacity,
    NotFound,
    ProgramFailed,
    WrongState,
)
from domus.model.names import DOM0
from domus.model.operation import Operation, OperationState
from domus.programs import arun, failure

log = logging.getLogger(__name__)

FOLDER: Final = Path("/var/xen/dump")

#: A program of its own: it maps and writes gigabytes, can be ended at any moment, and ends with us.
_DUMPER: Final = ("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-P", "-m", "domus.xen.coredump")

#: dumps of one domain that xend makes by itself and keeps; older ones make room
MOST_DUMPS: Final = 3
#: bytes that a dump of xend's own leaves free on the disk
_LEFT_FREE: Final = 64 << 20


class Dumps:
    """Makes core dumps. For the event loop.

    Args:
        reset: builds a domain again, within an operation.
    """

    def __init__(
        self,
        parts: Parts,
        reset: Callable[[Handle, DomainInfo], Awaitable[None]],
    ) -> None:
        self._parts = parts
        self._reset = reset

    async def dump(self, reference: str, request: DumpRequest, *, who: str) -> Operation:
        """Write a domain's memory into a file; the operation's result is its path.

        It is paused meanwhile unless `live`, and afterwards goes on, is destroyed (`crash`), or is built
        again (`reset`). One that has ended and is still there can be dumped, too.

        Raises:
            DomainNotFound, Busy, Forbidden (domain 0), WrongState (it is going).
            BadInput, NotFound: no file can be there.
        """
        if request.crash and request.reset:
            raise BadInput("You may not specify more than one '-CR' option")
        info = await self._parts.get(reference)
        if info.domid == DOM0:
            raise Forbidden(f"Cannot dump core for privileged domain {info.name}")
        if info.domid is None or info.dying:
            raise WrongState(f"Domain '{info.name}' is not started")
        path = await asyncio.to_thread(_destination, request.path, info)

        async def body(operation: Handle) -> None:
            await self._dump(operation, info, path, live=request.live or info.paused or info.shutdown)
            await self._afterwards(operation, info, request)

        return await self._parts.begin(
            "dump-core",
            body,
            info.name,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing="its memory is being dumped",
            who=who,
        )

    async def of_dead(self, info: DomainInfo) -> None:
        """Dump a domain that has ended, whose locks are held; a failure is only told."""
        path = _usual(info, time.time())

        async def body(operation: Handle) -> None:
            await asyncio.to_thread(_make_room, path, info.memory_kib * 1024)
            await self._dump(operation, info, path, live=True)

        operations = self._parts.operations
        who = f"xend:{info.shutdown_reason}"
        begun = await operations.start("dump-core", domain=info.name, uuid=info.uuid, who=who, body=body)
        ended = await operations.wait(begun.id)
        if ended.state is not OperationState.DONE and ended.problem is not None:
            log.error("%s is not dumped: %s", info.name, ended.problem.title)

    async def _dump(self, operation: Handle, info: DomainInfo, path: Path, *, live: bool) -> None:
        parts, domid = self._parts, info.domid or 0
        part = path.with_name(f".{operation.id}.part")
        undo: list[RemoveFile | UnpauseDomain] = [RemoveFile(str(part))]
        if not live:
            undo.insert(0, UnpauseDomain(info.uuid, domid))
        async with operation.step("dumping its memory", undo=undo):
            if not live:
                await parts.workers.call(parts.libxl.pause, domid)
            await parts.workers.call(_reserve, part, path)
            size = max(info.memory_kib, 1) * 1024
            async with operation.watched(lambda: part.stat().st_size / size):
                done = await arun([*_DUMPER, str(domid), part], check=False)
            if done.status:
                raise _failure(failure(done), done.stderr, part)
            await parts.workers.call(_keep, part, path)
        operation.result(path=str(path))
        parts.tell(EventKind.DOMAIN_DUMPED, info, path=str(path))

    async def _afterwards(self, operation: Handle, info: DomainInfo, request: DumpRequest) -> None:
        parts, domid = self._parts, info.domid or 0
        if request.crash:
            last = DestroyDomain(info.uuid, domid)
            await operation.commit(last)
            async with operation.step("destroying"):
                await parts.builder.take_away(info.uuid, domid)
                if parts.kept.running(info.uuid, domid):
                    await parts.kept.forget(info.uuid)
        elif request.reset:
            await self._reset(operation, info)
        elif not (request.live or info.paused or info.shutdown):
            await parts.builder.unpause(info.uuid, domid)


def _usual(info: DomainInfo, now: float) -> Path:
    """xm's own name of a dump: /var/xen/dump/NAME/YYYY-MMDD-HHMM.SS-NAME.ID.core."""
    name = info.name.replace("/", "_").lstrip(".") or "domain"
    stamp = time.strftime("%Y-%m%d-%H%M.%S", time.localtime(now))
    return FOLDER / name / f"{stamp}-{name}.{info.domid}.core"


def _destination(path: str, info: DomainInfo) -> Path:
    if not path:
        usual = _usual(info, time.time())
        _make_folder(usual.parent)
        return usual
    destination = Path(path)
    if not destination.is_absolute():
        raise BadInput(f"the path of a file on the host is absolute, not {path[:80]!r}")
    if destination.is_dir():
        raise BadInput(f"Cannot dump core in a directory: {path}")
    if not destination.parent.is_dir():
        raise NotFound(f"Failed to dump core: there is no directory {destination.parent}")
    return destination


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise HostProblem(f"Failed to dump core: {folder}: {error.strerror}") from error


def _make_room(path: Path, size: int) -> None:
    """Room for one more dump of a domain: the oldest of its dumps go, others are not touched."""
    _make_folder(path.parent)
    dumps = sorted(path.parent.glob("*.core"), key=lambda file: file.stat().st_mtime)
    for old in dumps[: max(0, len(dumps) - MOST_DUMPS + 1)]:
        old.unlink(missing_ok=True)
    room = os.statvfs(path.parent)
    if room.f_bavail * room.f_frsize < size + _LEFT_FREE:
        raise NoCapacity(
            f"Failed to dump core: {size >> 20} MiB do not fit into {path.parent}",
            hint="remove old dumps, or set on_crash to something without coredump",
        )


def _reserve(part: Path, path: Path) -> None:
    """A new file that only root can read: libxl writes into what is there."""
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise HostProblem(f"Failed to dump core: {path}: {error.strerror}") from error


def _keep(part: Path, path: Path) -> None:
    try:
        part.replace(path)
    except OSError as error:
        raise HostProblem(f"Failed to dump core: {path}: {error.strerror}") from error


def _failure(error: ProgramFailed, said: str, part: Path) -> DomusError:
    room = os.statvfs(part.parent)
    why = said.strip().rpartition("\n")[2] or error.what
    if "No space left" in said or room.f_bavail * room.f_frsize < 1 << 16:
        return NoCapacity(f"Failed to dump core: No space left on device ({part.parent})")
    # A PV kernel tells where its pages are early in its boot, but not at once; and again after a restore.
    young = "p2m" in said
    hint = "the guest has only just begun to run, or to run again: let it, then try again" if young else ""
    return HostProblem(f"Failed to dump core: {why}", hint=hint)
