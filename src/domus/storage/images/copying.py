"""Copying image files: sharing their blocks where the file system can, else what is not a hole.

Source: ioctl_ficlone(2), lseek(2) (SEEK_DATA), copy_file_range(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from domus.model.errors import NoCapacity
from domus.storage.images.names import Report, human

FICLONE: Final = 0x40049409

#: what may stay free: a full file system breaks what else is on it
_RESERVE_BYTES: Final = 64 << 20
_PIECE_BYTES: Final = 16 << 20


def share(source: Path, target: Path) -> bool:
    """Let new file `target` have the blocks of `source`, in an instant; False: the file system cannot."""
    with source.open("rb") as here, target.open("xb") as there:
        try:
            fcntl.ioctl(there, FICLONE, here.fileno())
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS):
                raise
            there.close()
            target.unlink()
            return False
        return True


def copy(source: Path, target: Path, report: Report, step: str) -> None:
    """Make `target` a copy of `source`: shared, or its data copied with its holes left out.

    Raises:
        NoCapacity: the disk has no room for it.
    """
    if share(source, target):
        return
    need_space(target.parent, data_bytes(source))
    with source.open("rb") as here, target.open("xb") as there:
        os.ftruncate(there.fileno(), os.fstat(here.fileno()).st_size)
        transfer(here.fileno(), there.fileno(), report, step)


def transfer(
    source: int,
    target: int,
    report: Report,
    step: str,
    *,
    begin: int = 0,
    end: int | None = None,
    shift: int = 0,
) -> None:
    """Copy what is data in file `source` to file `target`; a hole leaves there what is there.

    Args:
        source: descriptors, as `target`.
        begin: the first byte of the source; `end` the one behind the last, None: all of it.
        shift: bytes that the target's places are further on, may be negative.
    """
    size = os.fstat(source).st_size
    last = size if end is None else min(end, size)
    for first, behind in extents(source, begin, last):
        while first < behind:
            done = os.copy_file_range(source, target, min(_PIECE_BYTES, behind - first), first, first + shift)
            if not done:
                raise OSError(errno.EIO, "the file became shorter while it was copied")
            first += done
            report(step, (first - begin) / max(last - begin, 1))


def extents(descriptor: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a file from `begin` to `end` that are not holes, as first byte and end."""
    while begin < end:
        try:
            first = os.lseek(descriptor, begin, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        if first >= end:
            return
        begin = min(os.lseek(descriptor, first, os.SEEK_HOLE), end)
        yield first, begin


def pour(source: Path, device: Path) -> None:
    """Write what is data in a file to a block device, whose other bytes stay; it is on disk afterwards."""
    with source.open("rb") as here, device.open("r+b", buffering=0) as there:
        for first, behind in extents(here.fileno(), 0, os.fstat(here.fileno()).st_size):
            while first < behind:
                piece = os.pread(here.fileno(), min(_PIECE_BYTES, behind - first), first)
                if not piece:
                    raise OSError(errno.EIO, "the file became shorter while it was copied")
                first += os.pwrite(there.fileno(), piece, first)
        os.fsync(there.fileno())


def token() -> str:
    """A part of a name that nothing has yet."""
    return os.urandom(6).hex()


def data_bytes(path: Path) -> int:
    """What a file's data has on disk."""
    return path.stat().st_blocks * 512


def need_space(folder: Path, size: int) -> None:
    """Raise NoCapacity unless the file system of `folder` has `size` bytes free, and some to spare."""
    free = shutil.disk_usage(folder).free
    if free < size + _RESERVE_BYTES:
        raise NoCapacity(
            f"{folder}: {human(free)} free, {human(size + _RESERVE_BYTES)} needed",
            hint="free some space, or choose another store with --store",
        )


def sync(path: Path) -> None:
    """Its data, or the names in it, are on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
