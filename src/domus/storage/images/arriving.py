"""Images that come from another host, piece by piece, and become images of the store as wholes.

What has arrived of an image is in `.incoming-NAME.TOKEN` in its store: `data`, sparse, and `pieces`, a line
with number and SHA-256 for each piece that is durable in it. Whoever is killed or loses its power, on either
side: the next transfer of the image goes on from there, under a token of its own, so that the one before
cannot meddle. What nobody goes on with is removed after a week.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from domus.model.errors import BadInput, Conflict, NoCapacity, NotFound
from domus.model.transfers import PIECE_BYTES, ZEROS, ImageOffer, Incoming, digest, pieces_of, whole
from domus.storage.images import copying, names
from domus.storage.images.base import Entry
from domus.storage.images.store import DirectoryStore

INCOMING: Final = ".incoming-"

_TOKEN: Final = re.compile(r"[0-9a-f]{16}")
_LINE: Final = re.compile(r"(\d+) ([0-9a-f]{64}|-)\n")  # -: zeros, where something else was
_MOST_BYTES: Final = 1 << 50

#: what a piece is looked through in for zeros, which stay holes
_BLOCK_BYTES: Final = 64 << 10

#: seconds after which nobody is expected to go on
_KEPT_S: Final = 7 * 86400


class Arriving:
    """An image that is coming. Every method may block on the disk: worker threads.

    Args:
        token: of the transfer, as `expect` gave it.
    """

    def __init__(self, store: DirectoryStore, token: str) -> None:
        self._store = store
        self._token = token

    @classmethod
    def expect(cls, store: DirectoryStore, offer: ImageOffer) -> tuple[Arriving, Incoming]:
        """Begin, or go on with what has arrived.

        Raises:
            BadInput: there can be no such image.
            AlreadyExists: the store has one of that name.
            NoCapacity: there is no room for what is still to come.
        """
        names.check(offer.name)
        if not 0 < offer.file_bytes <= _MOST_BYTES or not 0 <= offer.data_bytes <= _MOST_BYTES:
            raise BadInput(f"an image has no {offer.file_bytes} bytes", where="file_bytes")
        token = os.urandom(8).hex()
        with store.changing():
            sweep(store.directory)
            store.check_free(offer.name)
            folder = store.directory / f"{INCOMING}{offer.name}.{token}"
            _take_over(store.directory, offer, folder)
        pieces = dict(_pieces(folder))
        here = sum(_size(offer, number) for number in pieces)
        try:
            copying.need_space(folder, max(0, offer.data_bytes - here))
        except NoCapacity:
            if not pieces:
                shutil.rmtree(folder)
            raise
        return cls(store, token), Incoming(token=token, pieces=pieces)

    def take(self, number: int, piece: bytes, sha256: str) -> None:
        """Keep a piece, with `ZEROS` one of nothing else; on return it is on disk.

        Raises:
            NotFound: the transfer is over.
            BadInput: there is no such piece.
            Conflict: it was damaged on its way.
            OSError: the disk is full.
        """
        with self._folder() as folder:
            offer = _offer(folder)
            if not 0 <= number < pieces_of(offer.file_bytes):
                raise BadInput(f"the image has no piece {number}")
            if sha256 == ZEROS:
                piece = bytes(_size(offer, number))
            if len(piece) != _size(offer, number) or digest(piece) != sha256:
                raise Conflict(f"piece {number} was damaged on its way", hint="try again")
            with (folder / "data").open("r+b") as data:
                _write(data.fileno(), piece, number * PIECE_BYTES)
                os.fdatasync(data.fileno())
            with (folder / "pieces").open("a") as lines:
                lines.write(f"{number} {sha256 or '-'}\n")
                lines.flush()
                os.fdatasync(lines.fileno())

    def finish(self, sha256: str) -> Entry:
        """Let it be an image of the store.

        Raises:
            NotFound: the transfer is over.
            Conflict: it is not what was sent.
            AlreadyExists: its name was taken meanwhile.
        """
        with self._folder() as folder:
            offer = _offer(folder)
            here = dict(_pieces(folder))
            found = [here.get(number, ZEROS) for number in range(pieces_of(offer.file_bytes))]
            if whole(found) != sha256:
                raise Conflict("what has arrived is not what was sent", hint="try again")
        with self._store.changing():
            entry = self._store.take_in(folder / "data", offer.name, offer.format)
            shutil.rmtree(folder)
        return entry

    def drop(self) -> None:
        """Keep nothing of it; harmless when the transfer is over."""
        try:
            with self._folder() as folder:
                shutil.rmtree(folder)
        except NotFound:
            return

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        found = list(self._store.directory.glob(f"{INCOMING}*.{self._token}"))
        if not _TOKEN.fullmatch(self._token) or not found:
            raise NotFound("this transfer of an image is over: it ended, or another one goes on with it")
        try:
            yield found[0]
        except FileNotFoundError:
            raise NotFound("another transfer goes on with this image") from None


def sweep(directory: Path) -> None:
    """Remove what nobody went on with."""
    for folder in directory.glob(f"{INCOMING}*"):
        newest = max((path.stat().st_mtime for path in (folder, *folder.iterdir())), default=0.0)
        if newest < time.time() - _KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


def _take_over(directory: Path, offer: ImageOffer, folder: Path) -> None:
    """Let what has arrived of the image before be in `folder`, or nothing of it."""
    for old in directory.glob(f"{INCOMING}*"):
        if old.name.rpartition(".")[0] != f"{INCOMING}{offer.name}":  # a name may have dots itself
            continue
        try:
            known = _offer(old)
            is_same = (known.format, known.file_bytes) == (offer.format, offer.file_bytes)
        except (OSError, msgspec.DecodeError):
            is_same = False
        if is_same and (old / "data").exists() and not folder.exists():
            old.rename(folder)
            copying.sync(directory)
        else:
            shutil.rmtree(old)
    if folder.exists():
        return
    folder.mkdir(mode=0o700)
    try:
        with (folder / "data").open("xb") as data:
            data.truncate(offer.file_bytes)
    except OSError as error:
        shutil.rmtree(folder)
        raise NoCapacity(f"{directory} takes no file of {names.human(offer.file_bytes)}") from error
    (folder / "pieces").touch()
    (folder / "offer").write_bytes(msgspec.json.encode(offer))
    # A power cut must not take the place of what arrives.
    for path in (*folder.iterdir(), folder, directory):
        copying.sync(path)


def _offer(folder: Path) -> ImageOffer:
    return msgspec.json.decode((folder / "offer").read_bytes(), type=ImageOffer)


def _pieces(folder: Path) -> Iterator[tuple[int, str]]:
    """Number and sum of each piece that is here; the last line may have been cut off."""
    with (folder / "pieces").open() as lines:
        for line in lines:
            if match := _LINE.fullmatch(line):
                yield int(match[1]), "" if match[2] == "-" else match[2]


def _size(offer: ImageOffer, number: int) -> int:
    """How many bytes a piece has."""
    return max(0, min(PIECE_BYTES, offer.file_bytes - number * PIECE_BYTES))


def _write(descriptor: int, piece: bytes, begin: int) -> None:
    """Write a piece, its zeros as holes unless something was there before."""
    if next(copying.extents(descriptor, begin, begin + len(piece)), None):
        os.pwrite(descriptor, piece, begin)
        return
    for place in range(0, len(piece), _BLOCK_BYTES):
        block = piece[place : place + _BLOCK_BYTES]
        if block.strip(b"\0"):
            os.pwrite(descriptor, block, begin + place)
