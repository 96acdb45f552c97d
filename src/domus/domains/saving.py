"""Save and restore: a domain's memory into a file and back, whole or not at all.

A file is checked from its beginning to its end before anything is built of it.

While a file is written it has another name beside its own, and the domain is there, suspended. The moment
at which the whole file is on disk decides: a failure, a cancellation or the death of xend before it lets
the domain go on and removes the file; after it, the file gets its name and the domain goes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from domus.domains import prepare, savefile, savestream, xlfile
from domus.domains.build import Handle
from domus.domains.events import EventKind
from domus.domains.frames import Packer, Unpacker
from domus.domains.journal import FinishSave, RemoveFile, ResumeDomain
from domus.domains.parts import Parts, guest
from domus.domains.resuming import Resuming
from domus.domains.savefile import Saved
from domus.model.api import SaveFormat
from domus.model.config import DomainConfig
from domus.model.domain import DomainInfo
from domus.model.errors import BadInput, HostProblem, LibxlError, NoCapacity, WrongState
from domus.model.operation import Operation
from domus.xen.libxl import Abort


class Saving:
    """Saves domains and restores them. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.resuming = Resuming(parts)

    async def save(
        self,
        reference: str,
        path: str,
        *,
        checkpoint: bool,
        who: str,
        file_format: SaveFormat = SaveFormat.DOMUS,
    ) -> Operation:
        """Write a domain into a file of this host and take it away; with `checkpoint` it goes on.

        Raises:
            DomainNotFound, Busy.
            Forbidden: domain 0.
            WrongState: it does not run.
            BadInput, NotFound: no file can be there.
        """
        info, domid = await self.running(reference, "save")
        destination = await asyncio.to_thread(savefile.check_destination, path)

        async def body(operation: Handle) -> None:
            await self.save_to(
                operation, info, domid, destination, checkpoint=checkpoint, file_format=file_format
            )

        return await self._parts.begin(
            "save",
            body,
            info.name,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing="it is being saved",
            who=who,
        )

    async def save_to(
        self,
        operation: Handle,
        info: DomainInfo,
        domid: int,
        path: Path,
        *,
        checkpoint: bool = False,
        file_format: SaveFormat = SaveFormat.DOMUS,
    ) -> None:
        """The steps of saving, within an operation that holds the domain's locks.

        Raises:
            WrongState: the guest did not suspend itself in time.
            NoCapacity: the disk is full.
            LibxlError: anything else; in each case the domain goes on.
        """
        parts = self._parts
        part = path.with_name(f".{operation.id}.part")
        undo = (ResumeDomain(info.uuid, domid), RemoveFile(str(part)))
        async with operation.step("saving its memory", undo=undo):
            head, seed = await self._head(info, domid, file_format)
            descriptor = await parts.workers.call(_create, part, head, path)
            try:
                await self._write(operation, info, domid, descriptor, path, seed)
            finally:
                os.close(descriptor)
        away, goes_on = (None, domid) if checkpoint else (domid, None)
        last = FinishSave(str(part), str(path), info.uuid, away, goes_on)
        await operation.commit(last)
        async with operation.step("resuming it" if checkpoint else "taking it away"):
            await self.finish(last)
        operation.result(path=str(path))
        parts.tell(EventKind.DOMAIN_SAVED, info, path=str(path))

    async def restore(self, path: str, *, paused: bool, who: str) -> Operation:
        """Bring back what `save`, or xl, wrote into a file of this host; the file stays.

        Raises:
            BadInput, NotFound: it is no such file.
            AlreadyExists: a domain of that name waits to be restarted.
            Busy: something is going on with a domain of that name or uuid.
        """
        parts = self._parts
        saved = await parts.workers.call(savefile.read, path)
        config = prepare.chosen(saved.config)
        prepare.check_waiting(config, parts.kept.waiting())

        async def body(operation: Handle) -> None:
            await self.restore_from(operation, path, saved, config, paused=paused)

        return await parts.begin(
            "restore",
            body,
            config.name,
            config.uuid or "",
            domain=config.name,
            uuid=config.uuid or "",
            doing="it is being restored",
            who=who,
        )

    async def restore_from(
        self, operation: Handle, path: str, saved: Saved, config: DomainConfig, *, paused: bool
    ) -> None:
        """The steps of restoring, within an operation that holds the domain's locks.

        Args:
            saved: what `savefile.read` said of the file.
            config: what it is kept by from now on: `saved.config`, with uuid and MACs.

        Raises:
            BadInput: the file is damaged or cut off; nothing was built.
            HostProblem: libxl cannot build it; nothing is left of the domain.
            DomusError: as creating it.
        """
        workers = self._parts.workers
        descriptor = await workers.call(savefile.open_for_reading, path)
        try:
            async with operation.step("checking the file"):
                length = await self._checked(operation, descriptor, path, saved)

            async def make(document: dict[str, Any]) -> int:
                document["b_info"].update(saved.present)
                with _restore_failures(path):
                    return await self._read(operation, document, descriptor, saved, length)

            await self._parts.builder.create(operation, config, paused=paused, make=make)
        finally:
            os.close(descriptor)
        info = await self._parts.get(config.uuid or config.name)
        self._parts.tell(EventKind.DOMAIN_RESTORED, info, path=path)

    async def running(self, reference: str, verb: str) -> tuple[DomainInfo, int]:
        """A domain that can be saved, and its domid; `verb` is what shall be done to it.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it does not run, or is paused).
        """
        info = guest(await self._parts.get(reference), verb)
        if info.domid is None or info.shutdown or info.dying:
            raise WrongState("Domain is not running")
        if info.paused:
            # The guest itself has to suspend its devices; libxl would wait for it for a minute.
            raise WrongState("Domain is not running", hint=f"it is paused: xm unpause {info.name}")
        return info, info.domid

    # Undoing, and what is left to do

    async def finish(self, record: FinishSave) -> None:
        """Give a complete file its name, and see to its domain; harmless when repeated."""
        await asyncio.to_thread(_rename, record.part, record.path)
        if record.goes_on is not None:
            await self.resuming.resume(ResumeDomain(record.uuid, record.goes_on))
        if record.domid is None:
            return
        await self._parts.builder.take_away(record.uuid, record.domid)
        if self._parts.kept.running(record.uuid, record.domid):
            await self._parts.kept.forget(record.uuid)

    # Pieces

    async def _head(self, info: DomainInfo, domid: int, file_format: SaveFormat) -> tuple[bytes, int | None]:
        document = await self._parts.workers.call(self._parts.libxl.retrieve_config, domid)
        kept = self._parts.kept.running(info.uuid, domid)
        return await self._parts.workers.call(
            _header, document, None if kept is None else kept.config, info.name, file_format
        )

    async def _write(
        self,
        operation: Handle,
        info: DomainInfo,
        domid: int,
        descriptor: int,
        path: Path,
        seed: int | None,
    ) -> None:
        workers, libxl = self._parts.workers, self._parts.libxl
        abort = Abort()
        size = max(info.memory_kib, 1) * 1024
        try:
            if seed is None:
                async with operation.watched(lambda: os.fstat(descriptor).st_size / size):
                    await workers.call_abortably(abort.ask, libxl.save, domid, descriptor, abort)
            else:
                packer = Packer(alive=False, seed=seed)
                try:
                    async with operation.watched(lambda: packer.taken / size):
                        await workers.call_abortably(
                            abort.ask, savestream.save, libxl, domid, descriptor, packer, abort
                        )
                finally:
                    packer.close()
            await workers.call(os.fsync, descriptor)
        except (LibxlError, OSError) as error:
            raise _save_failure(error, domid, descriptor, path) from error

    async def _checked(self, operation: Handle, descriptor: int, path: str, saved: Saved) -> int:
        """Read the whole file once; returns the bytes of libxl's stream in it. Raises BadInput."""
        done = 0.0

        def told(share: float) -> None:
            nonlocal done
            done = share

        async with operation.watched(lambda: done):
            return await self._parts.workers.call(savefile.check, descriptor, path, saved, told)

    async def _read(
        self, operation: Handle, document: dict[str, Any], descriptor: int, saved: Saved, length: int
    ) -> int:
        """Have libxl build the domain from the file; returns its domid."""
        workers, libxl = self._parts.workers, self._parts.libxl
        abort = Abort()
        if saved.seed is None:
            os.lseek(descriptor, saved.stream, os.SEEK_SET)
            size = max(saved.stream + length, 1)
            async with operation.watched(lambda: _position(descriptor) / size):
                return await workers.call_abortably(abort.ask, libxl.restore, document, descriptor, abort)
        unpacker = Unpacker(seed=saved.seed)
        try:
            async with operation.watched(lambda: unpacker.given / max(length, 1)):
                return await workers.call_abortably(
                    abort.ask, savestream.restore, libxl, document, descriptor, saved.stream, unpacker, abort
                )
        finally:
            unpacker.close()


def _header(
    document: dict[str, Any], asked_for: DomainConfig | None, name: str, file_format: SaveFormat
) -> tuple[bytes, int | None]:
    """The head of a file, and the seed for the frames behind it; None: there are none."""
    config = present_config(document, asked_for, name)
    if file_format is SaveFormat.XL:
        return xlfile.header(document, config), None
    return savefile.header(document, config)


def present_config(document: dict[str, Any], asked_for: DomainConfig | None, name: str) -> DomainConfig:
    """What a domain can be made from again: as it was asked for, with the disks and cards that it has now.

    Args:
        document: libxl_domain_config of the running domain.
        asked_for: what xend made it from; None: somebody else made it.
    """
    if asked_for is None or _devices(document) != _devices_of(asked_for):
        # Reading a configuration imports much: only for domains of others', and those with new devices.
        present = xlfile.read_config(msgspec.json.encode(xlfile.as_configured(document)), name)
        return present if asked_for is None else as_it_is(asked_for, present)
    return asked_for


def _devices(document: dict[str, Any]) -> list[set[Any]]:
    keys = (("disks", "vdev"), ("nics", "mac"))
    return [{device.get(key) for device in document.get(kind, ())} for kind, key in keys]


def _devices_of(config: DomainConfig) -> list[set[Any]]:
    return [{disk.vdev for disk in config.disks}, {nic.mac for nic in config.nics}]


def as_it_is(asked_for: DomainConfig, present: DomainConfig) -> DomainConfig:
    """What a domain was made from, with the disks and cards that it has now."""
    disks = {disk.vdev: disk for disk in asked_for.disks}
    nics = {nic.mac: nic for nic in asked_for.nics}
    return replace(
        asked_for,
        disks=tuple(disks.get(disk.vdev, disk) for disk in present.disks),
        nics=tuple(nics.get(nic.mac, nic) for nic in present.nics),
    )


def _create(part: Path, head: bytes, path: Path) -> int:
    """A new file that only root can read: it holds everything that the guest knows."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(part, flags, 0o600)
    except OSError as error:
        raise BadInput(f"can't write guest state file {path}: {error.strerror}") from error
    try:
        savestream.write_all(descriptor, head)
    except OSError as error:
        os.close(descriptor)
        raise _full_or_broken(path, error.strerror or "") from error
    return descriptor


def _rename(part: str, path: str) -> None:
    try:
        Path(part).replace(path)
    except FileNotFoundError:
        return  # done before
    except OSError as error:
        raise HostProblem(f"can't write guest state file {path}: {error.strerror}", hint=part) from error
    directory = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _save_failure(error: LibxlError | OSError, domid: int, descriptor: int, path: Path) -> Exception:
    text = error.what if isinstance(error, LibxlError) else str(error.strerror)
    free = os.fstatvfs(descriptor)
    if "No space left" in text or free.f_bavail * free.f_frsize < 1 << 16:
        return _full_or_broken(path, "No space left on device")
    if "acknowledge suspend" in text or "did not suspend" in text or "timed out" in text.lower():
        return WrongState(
            f"Timeout waiting for domain {domid} to suspend",
            hint="it goes on; only a guest with Xen drivers that listen can be saved",
        )
    return HostProblem(f"can't write guest state file {path}: {text}", hint="the domain goes on")


def _full_or_broken(path: Path, why: str) -> NoCapacity:
    return NoCapacity(f"can't write guest state file {path}: {why}", hint="the domain goes on")


@contextmanager
def _restore_failures(path: str) -> Iterator[None]:
    try:
        yield
    except LibxlError as error:
        hint = "is the file complete, and of this kind of machine? `xm log` has all that libxl said"
        raise HostProblem(f"Restore failed: {error.what}", where=path, hint=hint) from error


def _position(descriptor: int) -> int:
    # libxl's helper has inherited the descriptor: they share one position.
    return os.lseek(descriptor, 0, os.SEEK_CUR)
