"""Disks that are not shared: copied while their domain runs, and made the same once it does not.

Each side knows a disk by the digests of its chunks. The sender begins with what the receiver has (nothing but
zeros in a new file; the base of an incremental copy), sends what differs, and notes what it has sent. While
the domain runs, the kernel tells which parts are written (`storage.writelog`): they are sent again, until few
are left. When the domain has suspended itself, all that was ever written is looked at once more, and what
differs from what was sent goes over. Where the kernel cannot tell (image files that QEMU opens, partitions),
the whole disk is looked at then: that is right, too, and takes as long as reading it.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from domus.domains.frames import DiskPart
from domus.model.config import Disk, DiskFormat
from domus.model.errors import AlreadyExists, Conflict, HostProblem, NoCapacity, NotFound
from domus.model.migration import CopiedDisk, Copying, DiskIdentity, MadeFile
from domus.programs import run
from domus.storage import chunks, targets, writelog
from domus.storage.targets import DeviceNumber
from domus.storage.writelog import Lost, WriteLog

log = logging.getLogger(__name__)

#: rounds over what was written meanwhile, at the most; and chunks that are not worth another one
_ROUNDS: Final = 8
_FEW: Final = 16

#: chunks between two looks at what the kernel tells, and two signs of life
_LOOK_EVERY: Final = 64

#: chunks of a base whose digests are told at once: reading them must not take a minute
DIGESTS: Final = 256

#: bytes that stay free on a filesystem beside a copy
_RESERVE: Final = 64 << 20


# The host that sends


class Outgoing:
    """One disk that is copied. For worker threads.

    Args:
        device: what its backend writes to; None: QEMU, into a file of its own format.
        known: the digests of its chunks on the other host.

    Raises:
        HostProblem: it cannot be read.
    """

    def __init__(self, disk: CopiedDisk, path: str, device: DeviceNumber | None, known: bytes) -> None:
        self.disk = disk
        self.source = chunks.Source(path)
        self.log: WriteLog | None = None if device is None else writelog.start(device)
        self.looked = 0  #: chunks, in the first round
        self._known = bytearray(known)
        self._written: set[int] = set()  #: chunks that were ever written since the beginning
        self._dirty: set[int] = set()  #: of them, those that were not sent since

    @property
    def chunks(self) -> int:
        """How many it has at this moment."""
        return chunks.count(self.source.size())

    def first(self) -> Iterator[DiskPart | None]:
        """The first round: all of it, but for what the other host has."""
        for number in range(self.chunks):
            if number % _LOOK_EVERY == 0:
                self.listen()
                yield None
            yield self._part(number)
            self.looked = number + 1

    def again(self) -> Iterator[DiskPart | None]:
        """One more round: what was written since it was sent."""
        self.listen()
        dirty, self._dirty = sorted(self._dirty), set()
        for number in dirty:
            yield self._part(number)

    def last(self) -> Iterator[DiskPart | None]:
        """The last one, when nothing writes any more."""
        self.listen()
        parts = range(self.chunks) if self.log is None else sorted(self._written)
        for number in parts:
            yield self._part(number)
        yield DiskPart(self.disk.place, self.source.size(), b"")

    def listen(self) -> int:
        """Note what was written; returns the number of chunks that would have to be sent again."""
        if self.log is None:
            return 0
        try:
            for first, size in self.log.take():
                if size:
                    numbers = range(first // chunks.CHUNK, (first + size - 1) // chunks.CHUNK + 1)
                    self._written.update(numbers)
                    self._dirty.update(numbers)
        except Lost:
            log.warning(
                "%s is written faster than it can be told: it is looked at again as a whole", self.disk.vdev
            )
            self.log.close()
            self.log = None
            return 0
        return len(self._dirty)

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if self.log is not None:
            self.log.close()
        self.source.close()

    def _part(self, number: int) -> DiskPart | None:
        """A chunk, if the other host has another one."""
        if self._is_known_as(number, chunks.ZEROS) and self.source.is_hole(number):
            return None
        data = self.source.read(number)
        found = chunks.digest(data)
        if not data or self._is_known_as(number, found):
            return None
        place = number * chunks.DIGEST
        self._known.extend(chunks.ZEROS * max(0, number + 1 - len(self._known) // chunks.DIGEST))
        self._known[place : place + chunks.DIGEST] = found
        return DiskPart(self.disk.place, number * chunks.CHUNK, data)

    def _is_known_as(self, number: int, found: bytes) -> bool:
        place = number * chunks.DIGEST
        # Behind the end of a file that grows there is nothing yet, which will be read as zeros.
        return (bytes(self._known[place : place + chunks.DIGEST]) or chunks.ZEROS) == found


class OutgoingDisks:
    """All disks that are copied with a domain: `frames.Disks`. Told from other threads: `copied`, `rate`."""

    def __init__(self, disks: list[Outgoing], told: Callable[[str, float], None]) -> None:
        self._disks = disks
        self._told = told
        self.sent_bytes = 0  #: before they are packed

    def running(self) -> Iterator[DiskPart | None]:
        """The rounds while the domain runs."""
        total = max(sum(disk.chunks for disk in self._disks), 1)
        for disk in self._disks:
            for part in self._counted(disk.first()):
                yield part
                self._told("copying its disks", sum(each.looked for each in self._disks) / total)
        for number in range(_ROUNDS):
            left = sum(disk.listen() for disk in self._disks)
            if left <= _FEW:
                break
            megabytes = left * chunks.CHUNK >> 20
            self._told(f"copying its disks again: {megabytes} MiB were written, round {number + 2}", 1.0)
            for disk in self._disks:
                yield from self._counted(disk.again())

    def watch(self) -> None:
        """Note what is written while memory is sent."""
        for disk in self._disks:
            disk.listen()

    def stopped(self) -> Iterator[DiskPart | None]:
        """The last round."""
        self._told("copying what was written last to its disks", 1.0)
        for disk in self._disks:
            yield from self._counted(disk.last())

    def close(self) -> None:
        """Let go of them. May be called twice."""
        for disk in self._disks:
            disk.close()

    def _counted(self, parts: Iterable[DiskPart | None]) -> Iterator[DiskPart | None]:
        for part in parts:
            yield part
            if part is not None:
                self.sent_bytes += len(part.data)


def first_known(disk: CopiedDisk) -> bytes:
    """The digests of a disk that the receiver makes anew, or writes over."""
    return (chunks.ZEROS if disk.fresh else chunks.UNKNOWN) * chunks.count(disk.size_bytes)


def check_base(disk: CopiedDisk, known: bytes, told: Callable[[float], None]) -> None:
    """Compare an image that a copied disk stands on with the receiver's of the same name.

    Raises:
        Conflict: they are not the same.
        HostProblem: it cannot be read.

    Where it runs:
        Reads all of it: worker threads.
    """
    source = chunks.Source(disk.target)
    try:
        size = chunks.count(disk.size_bytes)
        for number in range(size):
            place = number * chunks.DIGEST
            if chunks.digest(source.read(number)) != known[place : place + chunks.DIGEST]:
                raise Conflict(
                    f"{disk.target}, on which {disk.vdev} stands, is another one there (at byte "
                    f"{number * chunks.CHUNK})",
                    hint="copy it there first",
                )
            told((number + 1) / size)
    finally:
        source.close()


# The host that receives


def place_for(place: int, disk: Disk, wanted: DiskIdentity, copying: Copying) -> CopiedDisk:
    """Where a disk that is not shared will be on this host.

    Raises:
        NotFound, AlreadyExists, Conflict, NoCapacity: nowhere.
    """
    where = f"disk[{place}]"
    path = Path(disk.target or "")
    raw = disk.format is DiskFormat.RAW
    copied = CopiedDisk(
        place=place, vdev=disk.vdev, target=str(path), size_bytes=wanted.size_bytes, grows=not raw
    )
    if wanted.below and copying is Copying.WHOLE:
        raise Conflict(
            f"{disk.vdev} stands on {wanted.below[0]}: only what differs from that can be copied",
            where=where,
            hint="--copy-storage=incremental, with the same file on both hosts",
        )
    if not path.exists():
        if not path.parent.is_dir():
            raise NotFound(f"{disk.vdev}: there is no directory {path.parent}", where=where)
        if path.parent == Path("/dev") or path.parent.is_relative_to("/dev"):
            raise NotFound(f"{disk.vdev}: there is no {path}", where=where, hint="make the volume first")
        _check_space(path.parent, wanted.data_bytes, where)
        return replace(copied, fresh=True)
    found = targets.inspect(str(path), writable=True, raw=raw, where=where)
    if found.device is None and copying is Copying.WHOLE:
        raise AlreadyExists(
            f"{path} exists here already",
            where=where,
            hint="remove it, or say --copy-storage=incremental: then it is the base of the copy",
        )
    if raw and found.size_bytes != wanted.size_bytes:
        raise Conflict(
            f"{path} has {found.size_bytes} bytes, {disk.vdev} has {wanted.size_bytes}", where=where
        )
    return replace(copied, base=copying is Copying.INCREMENTAL)


def bases(place: int, vdev: str, wanted: DiskIdentity) -> list[CopiedDisk]:
    """What a copied disk stands on, and must be here.

    Raises:
        NotFound: it is not.
    """
    found = []
    for path in wanted.below:
        if not Path(path).is_file():
            raise NotFound(f"{path}, on which {vdev} stands, is not on this host", where=f"disk[{place}]")
        size = Path(path).stat().st_size
        found.append(CopiedDisk(place=place, vdev=vdev, target=path, size_bytes=size, base=True, below=True))
    return found


def _check_space(folder: Path, size: int, where: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + _RESERVE:
        raise NoCapacity(
            f"{folder} has {free >> 20} MiB free, {(size + _RESERVE) >> 20} MiB are needed", where=where
        )


def digests(disk: CopiedDisk, first: int) -> bytes:
    """The digests of some chunks of what is here, from number `first` on; none: that was all.

    Raises:
        HostProblem: it cannot be read.
    """
    source = chunks.Source(disk.target)
    try:
        numbers = range(first, min(first + DIGESTS, chunks.count(source.size())))
        return b"".join(chunks.digest(source.read(number)) for number in numbers)
    finally:
        source.close()


def planned(copied: Iterable[CopiedDisk], move_id: str) -> tuple[MadeFile, ...]:
    """The files that are to be made."""
    return tuple(
        MadeFile(path=disk.target, part=str(Path(disk.target).with_name(f".{move_id}.{disk.place}.part")))
        for disk in copied
        if disk.fresh
    )


def make(file: MadeFile, disk: CopiedDisk, config: Disk, wanted: DiskIdentity) -> MadeFile:
    """Make an empty image beside its place.

    Raises:
        HostProblem, NoCapacity, ProgramFailed: it cannot be made.
    """
    try:
        descriptor = os.open(file.part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if not disk.grows:
                os.ftruncate(descriptor, disk.size_bytes)
            facts = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostProblem(f"{file.part} cannot be made: {error.strerror}") from error
    if disk.grows:
        # Only what is one of its format is taken for a disk of it; the copy goes over it as a whole.
        run(["qemu-img", "create", "-q", "-f", config.format, file.part, str(wanted.virtual_bytes)])
    return replace(file, device=facts.st_dev, inode=facts.st_ino)


def put_in_place(file: MadeFile) -> None:
    """Give a made file its name.

    Raises:
        AlreadyExists: something has that name since.
    """
    try:
        os.link(file.part, file.path)
    except OSError as error:
        kind = AlreadyExists if isinstance(error, FileExistsError) else HostProblem
        raise kind(f"{file.path}: {error.strerror}") from error
    Path(file.part).unlink()


def take_back(files: Iterable[MadeFile]) -> None:
    """Remove what was made for a domain that does not come; harmless when repeated."""
    for file in files:
        Path(file.part).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            facts = os.lstat(file.path)
            if file.inode and (facts.st_dev, facts.st_ino) == (file.device, file.inode):
                Path(file.path).unlink()


class IncomingDisks:
    """The disks that come with a domain, as their parts arrive. For the thread that feeds the frames.

    Raises:
        HostProblem: one cannot be opened.
    """

    def __init__(self, copied: Iterable[CopiedDisk]) -> None:
        self._disks = {
            disk.place: (disk, chunks.Destination(disk.target, None if disk.grows else disk.size_bytes))
            for disk in copied
            if not disk.below
        }
        self._begun: set[int] = set()
        self.received = 0  #: bytes of data

    def take(self, part: DiskPart) -> None:
        """Put a part where it belongs.

        Raises:
            HostProblem: there is no such place.
            NoCapacity: its disk is full.
        """
        try:
            disk, destination = self._disks[part.disk]
        except KeyError:
            raise HostProblem(f"there is no disk {part.disk} to copy") from None
        if disk.grows and disk.fresh and part.disk not in self._begun:
            destination.cut(0)
        self._begun.add(part.disk)
        self.received += len(part.data)
        if part.data:
            destination.write(part.offset, part.data)
        else:
            destination.cut(part.offset)
            destination.close(whole=True)

    def close(self) -> None:
        """Let go of them. May be called twice."""
        for _, destination in self._disks.values():
            destination.close(whole=False)
