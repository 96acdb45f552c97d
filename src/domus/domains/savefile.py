"""Files of saved domains: our own format, and which of the two a file has.

A file of ours is a head and libxl's stream in frames (`frames`). The head, most significant bytes first:

    24  the magic
     4  the format's version; a newer one is not read
     4  the length of what follows the next member
     4  CRC-32 of the members before and of what follows
     n  JSON: `Head`

The frames' checksums begin with the head's. So the whole file can be checked before anything is built of it
(`check`), and nothing in it can be exchanged for a part of another file.
"""

from __future__ import annotations

import os
import stat
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

import domus
from domus.domains import xlfile
from domus.domains.frames import Damaged, Reader
from domus.model.config import DomainConfig
from domus.model.errors import BadInput, NotFound

Document = dict[str, Any]

MAGIC: Final = b"Domus saved domain\r\n\x1a\n\0\0"
VERSION: Final = 1

_START: Final = struct.Struct(">24sII")
_SUM: Final = struct.Struct(">I")
_SIZE: Final = _START.size + _SUM.size

#: bytes of JSON; a configuration has some thousand
_MOST: Final = 4 << 20

#: bytes that are read at a time
_PIECE: Final = 1 << 20


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the head of a file of ours says."""

    domus: str  #: the version of Domus that wrote it
    host: str  #: on which host
    time: float  #: when, in seconds since the epoch
    config: DomainConfig  #: what the domain was made from, with the devices that it has
    present: Document  #: members of b_info as they were at that moment


class Saved(NamedTuple):
    """What the beginning of a file says."""

    config: DomainConfig
    present: Document  #: members of b_info as they were at that moment
    stream: int  #: offset of libxl's stream, or of its frames
    seed: int | None  #: what the frames' checksums begin with; None: xl's format, which has no frames


def header(document: Document, config: DomainConfig) -> tuple[bytes, int]:
    """The head of a file of ours, and the seed for its frames.

    Args:
        document: libxl_domain_config of the running domain, as libxl tells it.
        config: what it was made from.
    """
    head = msgspec.json.encode(
        Head(
            domus=domus.__version__,
            host=os.uname().nodename,
            time=time.time(),
            config=config,
            present=xlfile.present(document),
        )
    )
    start = _START.pack(MAGIC, VERSION, len(head))
    seed = zlib.crc32(head, zlib.crc32(start))
    return start + _SUM.pack(seed) + head, seed


def read(path: str) -> Saved:
    """The head of a file of ours or of xl's.

    Raises:
        NotFound, BadInput: there is none, or it cannot be read, or it is something else.
    """
    descriptor = open_for_reading(path)
    try:
        return parse(descriptor, path)
    finally:
        os.close(descriptor)


def open_for_reading(path: str) -> int:
    """A descriptor of the file.

    Raises:
        NotFound, BadInput: there is none, or it is no regular file.
    """
    if not path.startswith("/"):
        raise BadInput(f"the path of a saved domain is absolute, not {path[:80]!r}")
    try:
        # O_NONBLOCK: a FIFO must not keep us waiting for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        kind = NotFound if isinstance(error, FileNotFoundError) else BadInput
        raise kind(f"can't read guest state file {path}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadInput(f"can't read guest state file {path}: not a regular file")
    return descriptor


def parse(descriptor: int, path: str) -> Saved:
    """The head of an open file.

    Raises:
        BadInput: in xm's words.
    """
    start = os.pread(descriptor, _SIZE, 0)
    if not start.startswith(MAGIC):
        config, present, stream = xlfile.parse(descriptor, path)
        return Saved(config, present, stream, None)
    if len(start) < _SIZE:
        raise BadInput(f"not a valid guest state file: {path} is cut off")
    _, version, length = _START.unpack_from(start)
    if version > VERSION:
        raise BadInput(
            f"not a valid guest state file: {path} was written by a newer Domus (format {version})",
            hint=f"this one, {domus.__version__}, reads format {VERSION}",
        )
    text = os.pread(descriptor, length, _SIZE) if length <= _MOST else b""
    seed = zlib.crc32(text, zlib.crc32(start[: _START.size]))
    if len(text) < length or (seed,) != _SUM.unpack_from(start, _START.size):
        raise _damaged(path, "its head is not as it was written")
    try:
        head = msgspec.json.decode(text, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("not a valid guest state file: config parse", hint=f"{path}: {error}") from None
    return Saved(head.config, head.present, _SIZE + length, seed)


def check(descriptor: int, path: str, saved: Saved, told: Callable[[float], None]) -> int:
    """Read a whole file; returns the bytes of libxl's stream in it.

    Args:
        told: called with how much is done, 0..1.

    Raises:
        BadInput: it is damaged or cut off: nothing may be built of it.
    """
    size = os.fstat(descriptor).st_size
    if saved.seed is None:
        return xlfile.check(descriptor, path, saved.stream, size)
    reader, place = Reader(seed=saved.seed), saved.stream
    try:
        while piece := os.pread(descriptor, _PIECE, place):
            for _ in reader.feed(piece):
                pass
            place += len(piece)
            told(place / max(size, 1))
    except Damaged as error:
        raise _damaged(path, error.what) from None
    except OSError as error:
        raise BadInput(f"can't read guest state file {path}: {error.strerror}") from None
    if not reader.whole:
        raise BadInput(f"not a valid guest state file: {path} is cut off")
    return reader.length


def _damaged(path: str, why: str) -> BadInput:
    return BadInput(f"not a valid guest state file: {path} is damaged", hint=why)


def check_destination(path: str) -> Path:
    """Where a file shall be written.

    Raises:
        BadInput, NotFound: it is not absolute, a directory, or its directory is not there.
    """
    if not path.startswith("/"):
        raise BadInput(f"the path of a file on the host is absolute, not {path[:80]!r}")
    destination = Path(path)
    if destination.is_dir():
        raise BadInput(f"can't write guest state file {path}: Is a directory")
    if not destination.parent.is_dir():
        raise NotFound(f"can't write guest state file {path}: there is no directory {destination.parent}")
    return destination
