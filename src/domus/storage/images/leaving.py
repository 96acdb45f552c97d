"""Images that are read for another host, piece by piece."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from domus.model.errors import Conflict, WrongState
from domus.model.images import ImageFormat
from domus.model.transfers import PIECE_BYTES, ImageLayout
from domus.storage.images import copying, names, qemu_img, users
from domus.storage.images.base import Entry, Store
from domus.storage.images.names import Report


@contextmanager
def with_all_its_data(store: Store, entry: Entry, report: Report = names.silent) -> Iterator[Entry]:
    """The image as it is, or, when it shares another one's data, a raw copy of it while the block lasts.

    Args:
        entry: claimed by the caller.

    Raises:
        InUse: somebody writes to it.
        NoCapacity: there is no room for the copy.
    """
    users.check_not_written(entry.path, f"image {entry.reference}")
    if not _shares_data(entry):
        yield entry
        return
    with store.working() as work:
        copying.need_space(work, copying.data_bytes(entry.path))
        fresh = work / "image"
        qemu_img.convert(
            entry.path,
            qemu_img.DRIVERS[entry.format.value],
            fresh,
            "raw",
            report,
            f"copying {entry.reference} with the data that it shares",
        )
        yield replace(entry, path=fresh, format=ImageFormat.RAW)


def layout(entry: Entry) -> ImageLayout:
    """What there is to fetch of an image.

    Raises:
        InUse: somebody writes to it.
        WrongState: it shares the data of another image.
    """
    users.check_not_written(entry.path, f"image {entry.reference}")
    if _shares_data(entry):
        raise WrongState(
            f"image {entry.reference} shares the data of another one",
            hint=f"xm image convert {entry.name} NEWNAME, where it is, makes one that has its own",
        )
    with entry.path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        numbers: dict[int, None] = {}
        for first, behind in copying.extents(file.fileno(), 0, size):
            numbers.update(dict.fromkeys(range(first // PIECE_BYTES, -(-behind // PIECE_BYTES))))
        return ImageLayout(
            name=entry.name,
            format=entry.format,
            file_bytes=size,
            data_bytes=copying.data_bytes(entry.path),
            version=_version(os.fstat(file.fileno())),
            pieces=tuple(numbers),
        )


def piece(entry: Entry, number: int, version: str) -> bytes:
    """One piece.

    Raises:
        Conflict: it is not what it was when its layout was read.
    """
    with entry.path.open("rb") as file:
        found = os.pread(file.fileno(), PIECE_BYTES, number * PIECE_BYTES)
        if _version(os.fstat(file.fileno())) != version:
            raise Conflict(f"image {entry.reference} is changed while it is read", hint="try again")
    return found


def _shares_data(entry: Entry) -> bool:
    if entry.format is ImageFormat.RAW:
        return False
    return bool(qemu_img.info(entry.path, qemu_img.DRIVERS[entry.format.value]).backing_filename)


def _version(facts: os.stat_result) -> str:
    known = f"{facts.st_dev} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]
