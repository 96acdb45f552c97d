"""The rounds of a live move, as libxl's stream tells them: it has no marks for them, but page numbers.

In each round libxl goes through the memory from below; where numbers begin anew, another one has begun. What
the second and later rounds have was changed by the guest while the round before was sent.

Source: docs/specs/libxl-migration-stream.pandoc and libxc-migration-stream.pandoc of Xen 4.20.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Final

_RECORD: Final = struct.Struct("<II")  # type, length of the body, which is padded to 8 bytes
_COUNT: Final = struct.Struct("<II")  # pages of a record of pages, reserved
_LIBXL_START: Final = 16  # bytes
_LIBXC_START: Final = 24 + 16  # image header and domain header
_LIBXL_LIBXC: Final = 1  # the libxl record behind which libxc's stream stands
_LIBXL_CHECKPOINT_END: Final = 4  #: libxc's stream goes on behind it
_LIBXC_END: Final = 0
_LIBXC_PAGES: Final = 1
_LIBXC_CHECKPOINT: Final = 14  #: libxl's records follow, up to the end of the checkpoint
_PFN: Final = (1 << 52) - 1  # without the page's type
_PAGE: Final = 4096
_MOST_PAGES: Final = 1 << 20  # of a record; libxc sends 1024


class Rounds:
    """Counts them. For the thread that carries the stream.

    A stream of another form is not counted, and nothing else happens.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.number = 0  #: of the round that is being sent, from 1; 0: none has begun
        self.checkpoints = 0  #: that are whole; there are none unless it is replicated
        self.changed = 0.0  #: bytes that the guest changed in each second, as of the last whole round
        self.expected_s: float | None = None  #: how long this round will take; None: nobody knows yet
        self.on_round: Callable[[], object] = lambda: None  #: called when another one has begun
        self._now = now
        self._last = -1  #: page number
        self._pages = 0  #: of this round
        self._begun = 0.0  #: this round
        self._former_s = 0.0  #: how long the one before took
        self._skip = 0
        self._head = bytearray()
        self._need = _LIBXL_START
        self._read: Callable[[bytes], None] = self._libxl_starts
        self._body = 0

    def feed(self, piece: memoryview) -> None:
        """The next piece of the stream."""
        place = 0
        while place < len(piece):
            if self._skip:
                step = min(self._skip, len(piece) - place)
                self._skip -= step
            else:
                step = min(self._need - len(self._head), len(piece) - place)
                self._head += piece[place : place + step]
                if len(self._head) == self._need:
                    head, self._head = bytes(self._head), bytearray()
                    self._read(head)
            place += step

    def _libxl_starts(self, _: bytes) -> None:
        self._expect(self._libxl_record, _RECORD.size)

    def _libxl_record(self, head: bytes) -> None:
        kind, length = _RECORD.unpack(head)
        if kind == _LIBXL_LIBXC:
            self._expect(self._libxc_starts, _LIBXC_START)
        elif kind == _LIBXL_CHECKPOINT_END:
            self.checkpoints += 1
            self._expect(self._libxc_record, _RECORD.size)
        self._skip = _padded(length)

    def _libxc_starts(self, _: bytes) -> None:
        self._expect(self._libxc_record, _RECORD.size)

    def _libxc_record(self, head: bytes) -> None:
        kind, length = _RECORD.unpack(head)
        if kind in (_LIBXC_END, _LIBXC_CHECKPOINT):
            self._expect(self._libxl_record, _RECORD.size)
        elif kind == _LIBXC_PAGES and length > _COUNT.size:
            self._body = _padded(length) - _COUNT.size
            self._expect(self._counted, _COUNT.size)
            return
        self._skip = _padded(length)

    def _counted(self, head: bytes) -> None:
        count, _ = _COUNT.unpack(head)
        if 0 < count <= _MOST_PAGES and 8 * count <= self._body:
            self._expect(self._numbers, 8 * count)
        else:
            self._skip = self._body
            self._expect(self._libxc_record, _RECORD.size)

    def _numbers(self, head: bytes) -> None:
        first, last = (int.from_bytes(part, "little") & _PFN for part in (head[:8], head[-8:]))
        if first <= self._last or not self.number:
            self._next()
        self._last = last
        self._pages += len(head) // 8
        self._skip = self._body - len(head)
        self._expect(self._libxc_record, _RECORD.size)

    def _next(self) -> None:
        now = self._now()
        if self.number > 1 and self._former_s > 0:
            self.changed = self._pages * _PAGE / self._former_s
        took_s = now - self._begun if self.number else 0.0
        # A round is what was changed in the one before: while a guest changes its memory, and that is sent,
        # at steady rates, each takes the same part of the time of the one before.
        self.expected_s = took_s * took_s / self._former_s if self._former_s > 0 else None
        self._former_s = took_s
        self.number, self._pages, self._begun = self.number + 1, 0, now
        self.on_round()

    def _expect(self, read: Callable[[bytes], None], need: int) -> None:
        self._read, self._need = read, need


def _padded(length: int) -> int:
    return (length + 7) // 8 * 8
