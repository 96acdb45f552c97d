"""libxl's stream in frames: packed, checked, with a proven end; in saved files and between hosts.

libxl wants a file descriptor. Ours is one end of a pipe; at its other end a worker thread packs what libxl
writes (`Packer`) or unpacks what libxl reads (`Unpacker`), and carries the frames wherever it likes: into a
file, into a connection. The event loop has no part in it.

    packer = Packer()                               unpacker = Unpacker()
    # a thread: libxl.save(domid, packer.descriptor)    # a thread: libxl.restore(..., unpacker.descriptor)
    #           then packer.end(), or abandon()         #           then unpacker.close()
    # another:  for frame in packer.frames():           # another:  for data in connection:
    #               connection.sendall(frame)           #               unpacker.feed(data)
    #                                                   #           at last unpacker.end()

Each end of a pipe is closed by the one thread that uses it: its number may belong to something else a moment
later.

A frame is nine bytes, most significant first, and its content: what it is (1), how long its content is (4),
and a checksum (4). The checksum is CRC-32 over this frame's first five bytes and content, begun with the
checksum of the frame before: damage is found, and so is a frame that is missing, repeated or out of order.
A packed piece is one zstd frame, in which pages of zeros all but vanish. The last frame tells the length of
the whole stream: what has no last frame is not whole, wherever it was cut.

Disks that are copied with a domain travel in frames of their own (`Disks`): before libxl's stream, while the
domain runs, and when it does not run any more before the last piece of that stream; without it libxl does not
open a disk over there.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from domus.model.errors import BadInput, Cancelled

Buffer = bytes | memoryview

_HEAD: Final = struct.Struct(">cII")
_CHECKED: Final = struct.calcsize(">cI")  #: bytes of the head that the checksum covers
_LENGTH: Final = struct.Struct(">Q")
_PLACE: Final = struct.Struct(">HQ")

_PLAIN: Final = b"p"
_PACKED: Final = b"z"
_DISK: Final = b"d"  #: a part of a disk: its number and the offset (_PLACE), then data, packed
_ALIVE: Final = b"a"  #: nothing has happened for a while
_END: Final = b"e"  #: the stream is whole; its content is its length in bytes
_KINDS: Final = (_PLAIN, _PACKED, _DISK, _ALIVE, _END)

#: bytes that are packed together
PIECE: Final = 1 << 20

#: bytes of a pipe between libxl and us (fcntl(2): what an unprivileged user may have, too)
_PIPE: Final = 1 << 20

#: milliseconds that the sender waits for the rest of a piece
_SOON_MS: Final = 20

#: zstd's quickest ordinary level: the time of a move or a save is what counts
_LEVEL: Final = 1

#: seconds of silence after which the sender says that it is alive
ALIVE_EVERY: Final = 5.0

#: seconds of silence after which the receiver takes the sender for dead
SILENT_WITHIN: Final = 30.0


class Damaged(BadInput):
    """These are no frames, or not those that were written."""


class DiskPart(NamedTuple):
    """Some data of a disk."""

    disk: int
    offset: int
    data: bytes  #: none: the disk ends at the offset


class Disks(Protocol):
    """Disks that travel with a domain. For the thread that carries the frames."""

    def running(self) -> Iterator[DiskPart | None]:
        """What is to be sent while the domain runs; None now and then, when there is nothing to send."""

    def watch(self) -> None:
        """Called often while memory is sent."""

    def stopped(self) -> Iterator[DiskPart | None]:
        """What is still to be sent when nothing writes to the disks any more; None as above."""


class Packer:
    """What libxl writes into `descriptor`, as frames.

    Args:
        limit: bytes per second at the most; 0: as fast as it goes.
        alive: say so when libxl writes nothing for `ALIVE_EVERY` seconds; a file needs no such sign.
        seed: the checksum that the first frame's begins with: of what stands before the frames.
        watch: is shown each piece of libxl's stream.
    """

    def __init__(
        self,
        limit: int = 0,
        *,
        alive: bool = True,
        seed: int = 0,
        watch: Callable[[memoryview], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        # Only who saves or moves something needs it; and before the guest is suspended: dom0 is slow.
        import zstandard

        self._zstd = zstandard.ZstdCompressor(level=_LEVEL)
        self._reading, self.descriptor = _pipe()
        self._poll = select.poll()
        self._poll.register(self._reading, select.POLLIN)
        self._filling, self._waiting = (memoryview(bytearray(PIECE)) for _ in range(2))
        self.taken = 0  #: bytes from libxl
        self.sent = 0  #: bytes of frames
        self._limit = limit
        self._alive = alive
        self._sum = seed
        self._watch = watch
        self._now = now
        self._whole = False
        self._abandoned = False
        self._lock = threading.Lock()
        self._open = {self._reading, self.descriptor}

    def end(self) -> None:
        """libxl has written everything."""
        self._whole = True
        self._close(self.descriptor)

    def abandon(self) -> None:
        """libxl's stream will not be whole: `frames` ends with an error soon. May be called twice."""
        self._abandoned = True
        self._close(self.descriptor)

    def hang_up(self) -> None:
        """Nothing is read any more, and `frames` has ended: libxl fails when it goes on writing."""
        self._close(self._reading)

    def close(self) -> None:
        """libxl has ended, and `frames` has, or was never begun. May be called twice."""
        self._close(self.descriptor)
        self._close(self._reading)

    def frames(
        self, disks: Disks | None = None, on_memory: Callable[[], object] = lambda: None
    ) -> Iterator[bytes]:
        """The frames, until the last one. For one worker thread; libxl fails when that gives up.

        Args:
            disks: those that come, too.
            on_memory: called when libxl's turn has come.

        Raises:
            Cancelled: `abandon` was called.
        """
        begun = self._now()
        try:
            for frame in self._all(disks, on_memory):
                yield frame
                if self._limit and (ahead := self.sent / self._limit - (self._now() - begun)) > 0:
                    time.sleep(ahead)
        finally:
            self._close(self._reading)

    def _all(self, disks: Disks | None, on_memory: Callable[[], object]) -> Iterator[bytes]:
        if disks is not None:
            yield from self._parts(disks.running())
        on_memory()
        held = memoryview(b"")  # what the disks must be in front of, if it turns out to be the last
        while (piece := self._next()) is None or piece:
            if piece is None:
                yield self._frame(_ALIVE, b"")
                continue
            if disks is None:
                yield self._piece(piece)
                continue
            if held:
                yield self._piece(held)
            held = piece
            disks.watch()
        if not self._whole:
            raise Cancelled("the stream was abandoned")
        if disks is not None:
            yield from self._parts(disks.stopped())
        if held:
            yield self._piece(held)
        yield self._frame(_END, _LENGTH.pack(self.taken))

    def _piece(self, piece: memoryview) -> bytes:
        self.taken += len(piece)
        if self._watch is not None:
            self._watch(piece)
        packed = self._zstd.compress(piece)
        return self._frame(_PACKED, packed) if len(packed) < len(piece) else self._frame(_PLAIN, piece)

    def _parts(self, parts: Iterator[DiskPart | None]) -> Iterator[bytes]:
        last = self._now()
        for part in parts:
            if self._abandoned:
                raise Cancelled("the stream was abandoned")
            if part is not None:
                data = self._zstd.compress(part.data) if part.data else b""
                yield self._frame(_DISK, _PLACE.pack(part.disk, part.offset) + data)
            elif self._alive and self._now() - last > ALIVE_EVERY:
                yield self._frame(_ALIVE, b"")
            else:
                continue
            last = self._now()

    def _frame(self, kind: bytes, content: Buffer) -> bytes:
        head = _HEAD.pack(kind, len(content), 0)[:_CHECKED]
        self._sum = zlib.crc32(content, zlib.crc32(head, self._sum))
        self.sent += _HEAD.size + len(content)
        return b"".join((_HEAD.pack(kind, len(content), self._sum), content))

    def _next(self) -> memoryview | None:
        """What libxl wrote next, a whole piece if that comes soon; nothing at the end, None when it writes
        nothing for long. It lasts until the call after the next.

        A pipe is read as soon as a page is in it: frames of single pages would cost more than the memory.
        """
        if self._alive and not self._poll.poll(ALIVE_EVERY * 1000):
            return None
        # One is being filled while the other waits to be sent: nothing is copied on the way to zstd.
        self._filling, self._waiting = self._waiting, self._filling
        buffer = self._filling
        size = os.readv(self._reading, [buffer])
        while 0 < size < PIECE and (not self._alive or self._poll.poll(_SOON_MS)):
            more = os.readv(self._reading, [buffer[size:]])
            if not more:
                break
            size += more
        return buffer[:size]

    def _close(self, descriptor: int) -> None:
        with self._lock:
            if descriptor in self._open:
                self._open.remove(descriptor)
                os.close(descriptor)


class Frame(NamedTuple):
    """One that was checked."""

    kind: bytes
    content: memoryview


class Reader:
    """Frames from bytes, however these were cut, each checked.

    Args:
        seed: as the Packer's.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.whole = False  #: the last frame has come
        self.length = 0  #: bytes of libxl's stream so far
        self._sum = seed
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with this.

        Raises:
            Damaged: anything is wrong, or something follows the last frame.
        """
        here = memoryview(self._rest + data if self._rest else data)
        place = 0
        try:
            while len(here) - place >= _HEAD.size:
                kind, length, told = _HEAD.unpack_from(here, place)
                if self.whole or kind not in _KINDS or length > PIECE:
                    raise Damaged("this is no stream of frames")
                end = place + _HEAD.size + length
                if len(here) < end:
                    break
                content = here[place + _HEAD.size : end]
                self._sum = zlib.crc32(content, zlib.crc32(here[place : place + _CHECKED], self._sum))
                if self._sum != told:
                    raise Damaged("a frame is not as it was written")
                place = end
                self._count(kind, content)
                yield Frame(kind, content)
        finally:
            self._rest = bytes(here[place:])
        if self.whole and self._rest:
            raise Damaged("something follows the last frame")

    def _count(self, kind: bytes, content: memoryview) -> None:
        if kind == _PLAIN:
            self.length += len(content)
        elif kind == _PACKED:
            self.length += _unpacked_size(content)
        elif kind == _END:
            if len(content) != _LENGTH.size or _LENGTH.unpack(content)[0] != self.length:
                raise Damaged("the stream is not whole")
            self.whole = True


class Unpacker:
    """The frames that are fed, as what libxl reads from `descriptor`.

    Args:
        seed: as the Packer's.
        disks: takes the parts of disks; without it there are none.
        on_memory: called when the first piece for libxl has come.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        disks: Callable[[DiskPart], None] | None = None,
        on_memory: Callable[[], object] = lambda: None,
    ) -> None:
        import zstandard  # before the guest is suspended over there

        self._unpack = zstandard.ZstdDecompressor().decompress
        self.descriptor, self._writing = _pipe()
        self.received = 0  #: bytes of frames
        self.given = 0  #: bytes for libxl
        self._reader = Reader(seed=seed)
        self._lock = threading.RLock()
        self._open = {self.descriptor, self._writing}
        self._feeding = False
        self._disks = disks
        self._on_memory = on_memory

    @property
    def whole(self) -> bool:
        """The last frame has come."""
        return self._reader.whole

    def feed(self, data: bytes) -> None:
        """Take what has arrived, and give libxl what is complete of it; blocks while libxl does not read.

        Raises:
            Damaged: these are no frames, or not those that were written.
            BrokenPipeError: libxl reads no more.
            DomusError: a disk cannot be written.
        """
        self.received += len(data)
        with self._lock:
            if self._writing not in self._open:
                raise BrokenPipeError
            self._feeding = True
        try:
            for kind, content in self._reader.feed(data):
                if kind == _PLAIN:
                    self._give(content)
                elif kind == _PACKED:
                    self._give(self._unpacked(content))
                elif kind == _DISK:
                    self._take(content)
        finally:
            with self._lock:
                self._feeding = False
                if self.descriptor not in self._open:
                    self._close(self._writing)

    def end(self) -> None:
        """Nothing follows: libxl reads the end. For the thread that feeds; may be called twice."""
        self._close(self._writing)

    def close(self) -> None:
        """libxl has ended: whoever feeds it gets BrokenPipeError, and ends. May be called twice."""
        with self._lock:
            self._close(self.descriptor)
            if not self._feeding:
                self._close(self._writing)

    def _unpacked(self, content: Buffer) -> bytes:
        import zstandard

        try:
            return self._unpack(content)
        except zstandard.ZstdError as error:
            raise Damaged(f"a damaged piece: {error}") from None

    def _take(self, content: memoryview) -> None:
        if self._disks is None or len(content) < _PLACE.size:
            raise Damaged("a part of a disk that nobody expects")
        disk, offset = _PLACE.unpack_from(content)
        data = content[_PLACE.size :]
        if data and _unpacked_size(data) < 1:
            raise Damaged("a part of a disk without data")
        self._disks(DiskPart(disk, offset, self._unpacked(data) if data else b""))

    def _give(self, content: Buffer) -> None:
        if not self.given:
            self._on_memory()
        self.given += len(content)
        left = memoryview(content)
        while left:
            left = left[os.write(self._writing, left) :]

    def _close(self, descriptor: int) -> None:
        with self._lock:
            if descriptor in self._open:
                self._open.remove(descriptor)
                os.close(descriptor)


def _unpacked_size(content: Buffer) -> int:
    """What a zstd frame says that it holds: the bound is ours, what it says is the sender's word."""
    import zstandard

    try:
        size = zstandard.get_frame_parameters(content).content_size
    except zstandard.ZstdError as error:
        raise Damaged(f"a damaged piece: {error}") from None
    if size > PIECE:
        raise Damaged("a piece is too large")
    return int(size)


def _pipe() -> tuple[int, int]:
    import fcntl

    ends = os.pipe2(os.O_CLOEXEC)
    try:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _PIPE)
    except PermissionError:
        pass  # pipe-user-pages-hard is reached: it works all the same
    return ends
