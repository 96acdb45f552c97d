"""The lab's line into dom0: how bytes on one virtio-serial port become sessions.

A session begins with HELLO and 16 bytes of the caller's choice, which the agent sends back; whatever
stood in the line before is thus recognized as the rest of an earlier session and dropped. Then both
sides send frames: one byte kind, four bytes length (big-endian), payload. The caller's first frame is
a REQUEST; the agent's last one is an EXIT. No I/O here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

#: Begins with a byte that no frame begins with.
HELLO: Final = b"\x00domus-lab-agent\x00"
NONCE: Final = 16
MAX_PAYLOAD: Final = 64 * 1024


class Kind(IntEnum):
    """What a frame carries."""

    REQUEST = 0x52  #: JSON: what to do
    INPUT = 0x49  #: bytes for the program's standard input; none: its end
    SIZE = 0x57  #: JSON: the terminal's new size, [rows, columns]
    SIGNAL = 0x53  #: a signal's number, in decimal
    OUTPUT = 0x4F  #: what the program wrote to its standard output
    ERRORS = 0x45  #: and to its standard error
    EXIT = 0x58  #: JSON: how it ended


class Broken(Exception):
    """The line does not carry frames (any more): the session is over."""


def pack(kind: Kind, payload: bytes = b"") -> bytes:
    """One frame. Payloads are at most MAX_PAYLOAD bytes; `pieces` cuts longer ones."""
    return bytes([kind]) + len(payload).to_bytes(4, "big") + payload


def pieces(kind: Kind, payload: bytes) -> bytes:
    """`payload` as so many frames of `kind` as it needs."""
    return b"".join(
        pack(kind, payload[start : start + MAX_PAYLOAD]) for start in range(0, len(payload), MAX_PAYLOAD)
    )


class Reader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, bytes]]:
        """The frames that `data` completes. Raises Broken where no frame can begin."""
        self._pending += data
        frames = []
        while len(self._pending) >= 5:
            length = int.from_bytes(self._pending[1:5], "big")
            try:
                kind = Kind(self._pending[0])
            except ValueError:
                raise Broken from None
            if length > MAX_PAYLOAD:
                raise Broken
            if len(self._pending) < 5 + length:
                break
            frames.append((kind, bytes(self._pending[5 : 5 + length])))
            del self._pending[: 5 + length]
        return frames

    def take_rest(self) -> bytes:
        """What has not become a frame; the reader is empty afterwards."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest


class Greeter:
    """Finds HELLO and its nonce in a stream that may begin with the rest of another session."""

    def __init__(self, rest: bytes = b"") -> None:
        self._pending = bytearray(rest)

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """(nonce, what came after it) once both are there. When several stand there, the last counts."""
        self._pending += data
        at = self._pending.rfind(HELLO)
        if at < 0:
            del self._pending[: -len(HELLO)]
            return None
        after = at + len(HELLO)
        if len(self._pending) < after + NONCE:
            del self._pending[:at]
            return None
        return bytes(self._pending[after : after + NONCE]), bytes(self._pending[after + NONCE :])
