"""libxl's stream between two hosts: pieces, packed where that helps, with a sign of life and a proven end.

A frame is one byte that says what it is, four that say how long it is (most significant first), and that
many bytes. A packed piece is one zstd frame with zstd's own checksum; pages of zeros all but vanish in it.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from domus.model.errors import BadInput, Cancelled

_HEAD: Final = struct.Struct(">cI")
_PLAIN: Final = b"p"
_PACKED: Final = b"z"
_ALIVE: Final = b"a"  #: nothing has happened for a while
_END: Final = b"e"  #: the stream is whole; its payload is its length in bytes
_LENGTH: Final = struct.Struct(">Q")

#: bytes that are packed together
PIECE: Final = 1 << 20

#: bytes of a pipe between libxl and us (fcntl(2): what an unprivileged user may have, too)
_PIPE: Final = 1 << 20

#: seconds of silence after which the sender says that it is alive
ALIVE_EVERY: Final = 5.0

#: seconds of silence after which the receiver takes the sender for dead
SILENT_WITHIN: Final = 30.0


class Packer:
    """The sender's side: what libxl writes into `descriptor`, as frames.

    Args:
        limit: bytes per second at the most; 0: as fast as it goes.
    """

    def __init__(self, limit: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        import zstandard  # only who migrates needs it; and now, not while a guest is suspended

        self._pack = zstandard.ZstdCompressor(level=1, write_checksum=True).compress
        self._reading, self.descriptor = _pipe()  # closed by `close`, at the latest
        self.taken = 0  #: bytes from libxl
        self.sent = 0  #: bytes of frames
        self._limit = limit
        self._now = now
        self._whole = False
        self._lock = threading.Lock()
        self._open = {self._reading, self.descriptor}

    def end(self) -> None:
        """libxl has written everything."""
        self._whole = True
        self._close(self.descriptor)

    def abandon(self) -> None:
        """libxl's stream will not be whole: `frames` ends with an error soon. May be called twice."""
        self._close(self.descriptor)

    def close(self) -> None:
        """Nothing is read any more: libxl fails when it goes on writing. May be called twice."""
        self._close(self.descriptor)
        self._close(self._reading)

    def frames(self) -> Iterator[bytes]:
        """The frames, until the last one. For one worker thread.

        Raises:
            Cancelled: `abandon` was called.
        """
        begun = self._now()
        try:
            while piece := self._next():
                if piece is _ALIVE:
                    yield self._counted(_HEAD.pack(_ALIVE, 0))
                    continue
                self.taken += len(piece)
                packed = self._pack(piece)
                smaller = len(packed) < len(piece)
                kind, content = (_PACKED, packed) if smaller else (_PLAIN, piece)
                yield self._counted(_HEAD.pack(kind, len(content)) + content)
                if self._limit and (ahead := self.sent / self._limit - (self._now() - begun)) > 0:
                    time.sleep(ahead)
            if not self._whole:
                raise Cancelled("the stream was abandoned")
            yield self._counted(_HEAD.pack(_END, _LENGTH.size) + _LENGTH.pack(self.taken))
        finally:
            self._close(self._reading)

    def _counted(self, frame: bytes) -> bytes:
        self.sent += len(frame)
        return frame

    def _next(self) -> bytes:
        """What libxl wrote next; nothing at the end, `_ALIVE` when it writes nothing for long."""
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        if not poll.poll(ALIVE_EVERY * 1000):
            return _ALIVE
        return os.read(self._reading, PIECE)

    def _close(self, descriptor: int) -> None:
        with self._lock:
            if descriptor in self._open:
                self._open.remove(descriptor)
                os.close(descriptor)


class Unpacker:
    """The receiver's side: frames, however they were cut, as what libxl reads from `descriptor`."""

    def __init__(self) -> None:
        import zstandard  # as above

        self._unpack = zstandard.ZstdDecompressor().decompress
        self.descriptor, self._writing = _pipe()
        self.received = 0  #: bytes of frames
        self.given = 0  #: bytes for libxl
        self.whole = False  #: the last frame has come
        self._waiting = bytearray()
        self._lock = threading.Lock()
        self._open = {self.descriptor, self._writing}

    def feed(self, data: bytes) -> None:
        """Take what has arrived, and give libxl what is complete of it; blocks while libxl does not read.

        Raises:
            BadInput: these are no frames, or damaged ones.
            BrokenPipeError: libxl reads no more.
        """
        self.received += len(data)
        self._waiting += data
        place = 0
        while len(self._waiting) - place >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._waiting, place)
            if self.whole or kind not in (_PLAIN, _PACKED, _ALIVE, _END) or length > PIECE:
                raise BadInput("this is no stream of a migration")
            end = place + _HEAD.size + length
            if len(self._waiting) < end:
                break
            self._take(kind, bytes(self._waiting[place + _HEAD.size : end]))
            place = end
        del self._waiting[:place]

    def end(self) -> None:
        """Nothing follows: libxl reads the end. May be called twice."""
        self._close(self._writing)

    def close(self) -> None:
        """libxl has ended. May be called twice."""
        self._close(self._writing)
        self._close(self.descriptor)

    def _take(self, kind: bytes, content: bytes) -> None:
        if kind == _PLAIN:
            self._give(content)
        elif kind == _PACKED:
            self._give(self._unpacked(content))
        elif kind == _END:
            if len(content) != _LENGTH.size or _LENGTH.unpack(content)[0] != self.given:
                raise BadInput("the stream of a migration is not whole")
            self.whole = True

    def _unpacked(self, content: bytes) -> bytes:
        import zstandard

        try:
            # The bound is ours: what a frame says of its size is the sender's word.
            if zstandard.get_frame_parameters(content).content_size > PIECE:
                raise BadInput("a piece of a migration that is too large")
            return self._unpack(content)
        except zstandard.ZstdError as error:
            raise BadInput(f"a damaged piece of a migration: {error}") from None

    def _give(self, content: bytes) -> None:
        self.given += len(content)
        left = memoryview(content)
        while left:
            left = left[os.write(self._writing, left) :]

    def _close(self, descriptor: int) -> None:
        with self._lock:
            if descriptor in self._open:
                self._open.remove(descriptor)
                os.close(descriptor)


def _pipe() -> tuple[int, int]:
    import fcntl

    ends = os.pipe2(os.O_CLOEXEC)
    try:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _PIPE)
    except PermissionError:
        pass  # pipe-user-pages-hard is reached: it works all the same
    return ends
