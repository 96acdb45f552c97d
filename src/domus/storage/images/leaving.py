"""Images that are read for another host, piece by piece."""

from __future__ import annotations

import hashlib
import os

from domus.model.errors import Conflict, WrongState
from domus.model.images import ImageFormat
from domus.model.transfers import PIECE_BYTES, ImageLayout
from domus.storage.images import copying, qemu_img, users
from domus.storage.images.store import DirectoryStore


def layout(store: DirectoryStore, reference: str) -> ImageLayout:
    """What there is to fetch of an image.

    Raises:
        NotFound: there is none of that name.
        InUse: somebody writes to it.
        WrongState: it shares the data of another image.
    """
    entry = store.find(reference)
    users.check_not_written(entry.path, f"image {entry.reference}")
    if entry.format is not ImageFormat.RAW and (
        qemu_img.info(entry.path, qemu_img.DRIVERS[entry.format.value]).backing_filename
    ):
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


def piece(store: DirectoryStore, reference: str, number: int, version: str) -> bytes:
    """One piece.

    Raises:
        NotFound: there is no such image.
        Conflict: it is not what it was when its layout was read.
    """
    entry = store.find(reference)
    with entry.path.open("rb") as file:
        found = os.pread(file.fileno(), PIECE_BYTES, number * PIECE_BYTES)
        if _version(os.fstat(file.fileno())) != version:
            raise Conflict(f"image {entry.reference} is changed while it is read", hint="try again")
    return found


def _version(facts: os.stat_result) -> str:
    known = f"{facts.st_dev} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]
