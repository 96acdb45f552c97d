"""HTTP/1.1 as xend's client needs it, by h11: one request written, one answer read.

It reads from any buffered binary file, so that the same code serves sockets, TLS and tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

import h11

#: bytes in one line of an event stream
LINE_LIMIT: Final = 1 << 20

#: bytes of an answer's body that `Answer.read` takes into memory
BODY_LIMIT: Final = 64 << 20

_PIECE: Final = 65536

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class BrokenAnswer(Exception):
    """The other side does not speak HTTP/1.1, or stopped in the middle of an answer."""


class NoAnswer(BrokenAnswer):
    """The connection ended before the first byte of an answer."""


def quote(text: str) -> str:
    """`text` as one segment of a path, or one value of a query (RFC 3986, 2.3)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


class Request:
    """One request: `head` is to be sent, then its body if the headers announce one.

    Raises:
        ValueError: something in it, such as a line break, cannot stand in the head of a request.
    """

    def __init__(self, method: str, target: str, *, host: str, headers: Mapping[str, str]) -> None:
        self._core = h11.Connection(h11.CLIENT)
        try:
            head = self._core.send(
                h11.Request(method=method, target=target, headers=[("Host", host), *headers.items()])
            )
        except h11.LocalProtocolError as error:
            raise ValueError(f"not a request: {error}") from None
        self.head: bytes = head or b""

    def answer(self, source: BinaryIO) -> Answer:
        """The answer that comes from `source`.

        Raises:
            NoAnswer: the connection ended before it began.
            BrokenAnswer: this is not HTTP/1.1.
        """
        return Answer(self._core, source)


class Answer:
    """One answer: its status and headers are read on construction, its body when asked for."""

    def __init__(self, core: h11.Connection, source: BinaryIO) -> None:
        self._core = core
        self._source = source
        self._begun = False
        event = self._next()
        while isinstance(event, h11.InformationalResponse):
            event = self._next()
        if not isinstance(event, h11.Response):
            raise BrokenAnswer("Invalid or missing HTTP status code")
        self.status: int = event.status_code
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}

    @property
    def kind(self) -> str:
        """Its media type, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def reusable(self) -> bool:
        """The connection can carry another request; known once the body is read."""
        return self._core.their_state is h11.DONE

    def read(self, limit: int = BODY_LIMIT) -> bytes:
        """The whole body."""
        pieces: list[bytes] = []
        size = 0
        for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise BrokenAnswer(f"an answer of more than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives."""
        while isinstance(event := self._next(), h11.Data):
            yield bytes(event.data)

    def lines(self) -> Iterator[bytes]:
        """The body's lines without their line ends, as they arrive."""
        pending = b""
        for piece in self.pieces():
            *whole, pending = (pending + piece).split(b"\n")
            if len(pending) > LINE_LIMIT:
                raise BrokenAnswer("a line without an end")
            for line in whole:
                yield line.removesuffix(b"\r")

    def _next(self) -> h11.Event:
        """The next event of the answer, reading as much as it takes."""
        try:
            while (event := self._core.next_event()) is h11.NEED_DATA:
                data = self._source.read1(_PIECE)  # type: ignore[attr-defined] # every buffered file has it
                if not data and not self._begun:
                    raise NoAnswer("the connection ended without an answer")
                self._begun = True
                self._core.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise BrokenAnswer(self._what_broke(error)) from None
        assert not isinstance(event, type)  # noqa: S101 - PAUSED does not come to a client that reads once
        return event

    def _what_broke(self, error: h11.RemoteProtocolError) -> str:
        if not hasattr(self, "status"):
            return "Invalid or missing HTTP status code"
        stopped = "without sending complete" in str(error)
        return "the answer stopped in the middle" if stopped else str(error)
