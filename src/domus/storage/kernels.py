"""A kernel as Xen's domain builder can use it at once: the ELF vmlinux inside a bzImage.

libxl unpacks a bzImage at each start of a domain; unpacked once and kept, a start is that much faster.
Runs in worker threads. The image may come from a user: sizes are bounded, nothing in it is trusted.

Source: Linux Documentation/arch/x86/boot.rst (setup header), arch/x86/boot/compressed/Makefile (what
packs the payload), lib/decompress_unlz4.c (legacy frames of LZ4).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from domus.model.errors import BadInput

MEBIBYTE: Final = 1 << 20

#: What an unpacked kernel may have at the most, in bytes; distributions' have some 60 MiB.
UNPACKED_LIMIT: Final = 512 * MEBIBYTE
#: What a packed one may have, in bytes.
PACKED_LIMIT: Final = 256 * MEBIBYTE

ELF_MAGIC: Final = b"\x7fELF"

# Offsets in the setup header, boot.rst "The Real-Mode Kernel Header".
_SETUP_SECTS: Final = 0x1F1
_HEADER_MAGIC: Final = 0x202
_VERSION: Final = 0x206
_PAYLOAD_OFFSET: Final = 0x248
_PAYLOAD_LENGTH: Final = 0x24C
_HEADER_END: Final = 0x250
#: Boot protocol 2.08 (Linux 2.6.26) brought payload_offset and payload_length.
_FIRST_WITH_PAYLOAD: Final = 0x0208
_SECTOR: Final = 512

_LZ4_BLOCK: Final = 8 * MEBIBYTE  # legacy frames: each block unpacks to so much, the last to less
_LZ4_BLOCK_PACKED_MAX: Final = _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16  # LZ4_COMPRESSBOUND

_PIECE: Final = 256 * 1024  # of packed bytes per call
_OUT: Final = 4 * MEBIBYTE  # of unpacked bytes per call

Pieces = Iterator[bytes]


class NotAKernel(BadInput):
    """The file is no kernel that a domain can be started from, or it is damaged."""


class _Packed(NamedTuple):
    """A packed vmlinux, how it is unpacked, and what its size is then; None: it does not say."""

    data: memoryview
    unpacker: Callable[[memoryview], Pieces]
    unpacked_size: int | None


def unpack(image: Path | bytes, *, limit: int = UNPACKED_LIMIT) -> bytes:
    """The ELF kernel inside `image`: an ELF file (returned as it is), a packed one, or a bzImage.

    Raises:
        NotAKernel: it is none of these, is damaged, or unpacks to more than `limit` bytes.
    """
    return b"".join(pieces(image, limit=limit))


def unpack_to(image: Path | bytes, out: BinaryIO, *, limit: int = UNPACKED_LIMIT) -> None:
    """Write the ELF kernel inside `image` to `out`, in pieces; as `unpack`."""
    for piece in pieces(image, limit=limit):
        out.write(piece)


def pieces(image: Path | bytes, *, limit: int = UNPACKED_LIMIT) -> Pieces:
    """The ELF kernel inside `image`, a few MiB at a time; as `unpack`."""
    name = str(image) if isinstance(image, Path) else "kernel"
    total = 0
    try:
        packed = _packed(memoryview(_read(image) if isinstance(image, Path) else image))
        for piece in packed.unpacker(packed.data):
            if not piece:
                continue
            if not total and not piece.startswith(ELF_MAGIC):
                raise NotAKernel("what is packed in it is no ELF file")
            total += len(piece)
            if total > limit:
                raise NotAKernel(f"it unpacks to more than {limit // MEBIBYTE} MiB")
            yield piece
        if not total or packed.unpacked_size not in (None, total):
            raise NotAKernel("what is packed in it is not whole", hint="copy it again")
    except NotAKernel as error:
        raise NotAKernel(f"{name}: {error.what}", hint=error.hint) from error.__cause__


def payload(image: memoryview) -> memoryview:
    """The packed vmlinux of a bzImage.

    Raises:
        NotAKernel: it is no bzImage, too old, or cut short.
    """
    if len(image) < _HEADER_END or bytes(image[_HEADER_MAGIC : _HEADER_MAGIC + 4]) != b"HdrS":
        raise NotAKernel("neither an ELF file nor a bzImage", hint="a kernel built for x86 is needed")
    (version,) = struct.unpack_from("<H", image, _VERSION)
    if version < _FIRST_WITH_PAYLOAD:
        raise NotAKernel(f"its boot protocol {version >> 8}.{version & 0xFF:02} is older than 2.08")
    setup_sectors = image[_SETUP_SECTS] or 4  # boot.rst: 0 means 4, for backwards compatibility
    offset, length = struct.unpack_from("<II", image, _PAYLOAD_OFFSET)
    start = (setup_sectors + 1) * _SECTOR + offset
    if not length or start + length > len(image):
        raise NotAKernel("the file is cut short", hint="copy it again")
    return image[start : start + length]


def _packed(image: memoryview) -> _Packed:
    if (unpacker := _unpacker(image)) is not None:
        return _Packed(image, unpacker, None)
    packed = payload(image)
    if (unpacker := _unpacker(packed)) is None:
        raise NotAKernel(
            f"packed in a way that Domus does not know (starts with {bytes(packed[:6]).hex(' ')})",
            hint="unpack it with the kernel's scripts/extract-vmlinux",
        )
    if unpacker is _plain:
        return _Packed(packed, unpacker, None)
    # The unpacked size is at the end: a part of gzip's format, else appended by the kernel's build
    # (scripts/Makefile.lib, size_append).
    size = int.from_bytes(packed[-4:], "little")
    return _Packed(packed if unpacker is _gzip else packed[:-4], unpacker, size)


def _unpacker(packed: memoryview) -> Callable[[memoryview], Pieces] | None:
    start = bytes(packed[:6])
    return next((unpacker for magic, unpacker in _UNPACKERS.items() if start.startswith(magic)), None)


def _plain(packed: memoryview) -> Pieces:
    yield bytes(packed)


def _gzip(packed: memoryview) -> Pieces:
    import zlib

    stream = zlib.decompressobj(wbits=31)  # zlib.h: 16 + 15, gzip's header and the largest window
    try:
        for start in range(0, len(packed), _PIECE):
            fed: bytes | memoryview = packed[start : start + _PIECE]
            while fed and not stream.eof:
                yield stream.decompress(fed, _OUT)
                fed = stream.unconsumed_tail
    except zlib.error as error:
        raise NotAKernel("damaged gzip data") from error
    _check_whole(stream.eof, "gzip")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _fed(stream: _Decompressor, packed: memoryview, kind: str, broken: type[Exception]) -> Pieces:
    """What a decompressor of bz2 or lzma makes of `packed`, never more than `_OUT` at once."""
    position = 0
    try:
        while not stream.eof and (position < len(packed) or not stream.needs_input):
            fed = b""
            if stream.needs_input:
                fed = bytes(packed[position : position + _PIECE])
                position += len(fed)
            yield stream.decompress(fed, _OUT)
    except (broken, EOFError, ValueError) as error:
        raise NotAKernel(f"damaged {kind} data") from error
    # The kernel's old lzma stream may lack an end mark and then never reports its end.
    _check_whole(stream.eof or kind == "lzma", kind)


def _bzip2(packed: memoryview) -> Pieces:
    import bz2

    return _fed(bz2.BZ2Decompressor(), packed, "bzip2", OSError)


def _xz(packed: memoryview) -> Pieces:
    import lzma

    return _fed(lzma.LZMADecompressor(lzma.FORMAT_XZ), packed, "xz", lzma.LZMAError)


def _lzma(packed: memoryview) -> Pieces:
    import lzma

    return _fed(lzma.LZMADecompressor(lzma.FORMAT_ALONE), packed, "lzma", lzma.LZMAError)


def _zstd(packed: memoryview) -> Pieces:
    import zstandard

    # It ends silently where the data ends: the size at the end of the payload tells whether that is all.
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            while piece := reader.read(_OUT):
                yield piece
    except zstandard.ZstdError as error:
        raise NotAKernel("damaged zstd data") from error


def _lz4(packed: memoryview) -> Pieces:
    import lz4.block

    position = 4  # behind the magic number
    while len(packed) - position >= 4:
        (length,) = struct.unpack_from("<I", packed, position)
        position += 4
        if length > _LZ4_BLOCK_PACKED_MAX or length > len(packed) - position:
            raise NotAKernel("damaged lz4 data")
        try:
            yield lz4.block.decompress(packed[position : position + length], uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise NotAKernel("damaged lz4 data") from error
        position += length


def _check_whole(ended: bool, kind: str) -> None:
    if not ended:
        raise NotAKernel(f"its {kind} data ends in the middle", hint="copy it again")


# Magic numbers as in lib/decompress.c of Linux.
_UNPACKERS: Final[dict[bytes, Callable[[memoryview], Pieces]]] = {
    ELF_MAGIC: _plain,
    b"\x1f\x8b": _gzip,
    b"BZh": _bzip2,
    b"\xfd7zXZ\x00": _xz,
    b"\x5d\x00\x00": _lzma,
    b"\x28\xb5\x2f\xfd": _zstd,
    b"\x02\x21\x4c\x18": _lz4,
}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(PACKED_LIMIT + 1)
    except OSError as error:
        raise NotAKernel(f"cannot be read: {error.strerror}") from error
    if len(data) > PACKED_LIMIT:
        raise NotAKernel(f"it has more than {PACKED_LIMIT // MEBIBYTE} MiB")
    return data
