"""Images on their way between hosts: in pieces, each known by its SHA-256, those of zeros left out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from domus.model.images import ImageFormat

#: bytes of a piece; the last one may be shorter
PIECE_BYTES: Final = 4 << 20

#: what stands for the SHA-256 of a piece of zeros
ZEROS: Final = ""


class ImageOffer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/images: an image that is about to come; what came of it before is not sent again."""

    name: str
    format: ImageFormat
    file_bytes: int  #: of its file, holes included
    data_bytes: int = 0  #: that it takes on disk, about


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is awaited."""

    token: str  #: names the transfer; an older one of the same image is over
    #: the SHA-256 of each piece that is here, by number; others are still zeros here
    pieces: dict[int, str] = {}


class ImageEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST: all is sent."""

    sha256: str  #: `whole` of all pieces


class ImageLayout(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to fetch of an image."""

    name: str
    format: ImageFormat
    file_bytes: int
    data_bytes: int
    version: str  #: another one: it was changed meanwhile
    pieces: tuple[int, ...]  #: numbers of those that are not holes


def pieces_of(file_bytes: int) -> int:
    """How many pieces a file has."""
    return -(-file_bytes // PIECE_BYTES)


def digest(piece: bytes) -> str:
    """The SHA-256 of a piece, or `ZEROS`."""
    if not piece.strip(b"\0"):
        return ZEROS
    return hashlib.sha256(piece).hexdigest()


def whole(digests: Sequence[str]) -> str:
    """One sum for all pieces of an image, in their order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
