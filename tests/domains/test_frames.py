"""libxl's stream in frames: what goes in comes out; whatever is not as it was written is refused."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domus.domains.frames import PIECE, Damaged, Packer, Reader, Unpacker
from domus.model.errors import Cancelled

ZEROS = bytes(3 * PIECE)
MIXED = os.urandom(70_000) + bytes(200_000) + b"guest" * 9_000


def packed(stream: bytes, *, seed: int = 0, whole: bool = True) -> list[bytes]:
    packer = Packer(seed=seed)

    def write() -> None:
        left = memoryview(stream)
        while left:
            left = left[os.write(packer.descriptor, left) :]
        packer.end() if whole else packer.abandon()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        return list(packer.frames())
    finally:
        packer.close()
        thread.join()


def unpacked(
    frames: bytes, *, seed: int = 0, cut: Callable[[int], int] = lambda left: left
) -> tuple[bytes, bool]:
    unpacker = Unpacker(seed=seed)
    found = bytearray()

    def read() -> None:
        while data := os.read(unpacker.descriptor, PIECE):
            found.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        while frames:
            size = cut(len(frames))
            unpacker.feed(frames[:size])
            frames = frames[size:]
    finally:
        unpacker.end()
        thread.join()
        unpacker.close()
    return bytes(found), unpacker.whole


@pytest.mark.parametrize("stream", [b"", b"x", ZEROS, MIXED], ids=["nothing", "a byte", "zeros", "mixed"])
def test_what_goes_in_comes_out_however_it_was_cut(stream: bytes) -> None:
    frames = b"".join(packed(stream, seed=7))
    assert unpacked(frames, seed=7) == (stream, True)
    assert unpacked(frames, seed=7, cut=lambda left: min(left, 4093)) == (stream, True)


def test_zeros_cost_next_to_nothing() -> None:
    assert sum(map(len, packed(ZEROS))) < len(ZEROS) / 1000


def test_an_abandoned_stream_has_no_last_frame() -> None:
    with pytest.raises(Cancelled):
        packed(MIXED, whole=False)


def test_a_stream_that_is_cut_off_is_not_whole() -> None:
    frames = b"".join(packed(MIXED))
    for cut in (0, 1, 8, 9, 5_000, len(frames) - 1):
        reader = Reader()
        list(reader.feed(frames[:cut]))
        assert not reader.whole


def test_frames_that_are_missing_repeated_or_exchanged_are_refused() -> None:
    frames = packed(bytes(2 * PIECE) + os.urandom(2 * PIECE))
    assert len(frames) >= 4
    for wrong in (
        [frames[1], frames[0], *frames[2:]],
        [frames[0], *frames[2:]],
        [frames[0], frames[0], *frames[1:]],
        [*frames, frames[-1]],
        [*frames, b"\0"],
    ):
        with pytest.raises(Damaged):
            list(Reader().feed(b"".join(wrong)))


def test_frames_belong_to_what_stands_before_them() -> None:
    with pytest.raises(Damaged):
        list(Reader(seed=2).feed(b"".join(packed(b"stream", seed=1))))


FRAMES = b"".join(packed(MIXED))


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(FRAMES) - 1), flip=st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(at: int, flip: int) -> None:
    damaged = bytearray(FRAMES)
    damaged[at] ^= flip
    reader = Reader()
    try:
        list(reader.feed(bytes(damaged)))
    except Damaged as error:
        assert "\n" not in error.for_user()
    else:
        assert not reader.whole


def test_a_piece_that_unpacks_to_more_than_a_piece_is_refused() -> None:
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(bytes(64 * PIECE))
    head = struct.pack(">cI", b"z", len(bomb))
    with pytest.raises(Damaged, match="too large"):
        list(Reader().feed(head + struct.pack(">I", zlib.crc32(head + bomb)) + bomb))


def test_what_libxl_no_longer_reads_is_told() -> None:
    unpacker = Unpacker()
    os.close(unpacker.descriptor)
    with pytest.raises(BrokenPipeError):
        unpacker.feed(FRAMES)
    unpacker.end()
