"""Answers in HTTP/1.1 as xend's client needs them; llhttp, through httptools, knows the grammar.

It reads from anything that has `read1`, so that the same code serves sockets, TLS, a lab host's line
and tests. llhttp bounds nothing by itself; what is kept here is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import httptools

#: bytes of the status line and headers of an answer
HEAD_LIMIT: Final = 64 << 10

#: bytes in one line of an event stream
LINE_LIMIT: Final = 1 << 20

#: bytes of an answer's body that `Answer.read` takes into memory
BODY_LIMIT: Final = 64 << 20

_PIECE: Final = 65536


class BrokenAnswer(Exception):
    """The other side does not speak HTTP/1.1, or stopped in the middle of an answer."""


class NoAnswer(BrokenAnswer):
    """The connection ended before the first byte of an answer."""


class Source(Protocol):
    """Where the bytes come from."""

    def read1(self, size: int, /) -> bytes:
        """Up to `size` bytes, at least one; none at the end."""


class Answer:
    """One answer: its status and headers are read on construction, its body when asked for.

    Args:
        bodiless: it answers a HEAD, and ends with its headers whatever they announce.

    Raises:
        NoAnswer: the connection ended before it began.
        BrokenAnswer: this is not HTTP/1.1.
    """

    def __init__(self, source: Source, *, bodiless: bool = False) -> None:
        self._source = source
        self._bodiless = bodiless
        self._message = _Message()
        self._seen = 0
        self._ended = False  #: the other side has hung up
        while not self._message.has_head:
            self._receive()
        self.status: int = self._message.status
        self.headers: dict[str, str] = self._message.headers

    @property
    def kind(self) -> str:
        """Its media type, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def reusable(self) -> bool:
        """The connection can carry another request; known once the body is read."""
        if self._ended or self._message.surplus:
            return False
        return self._message.keeps_alive or (self._bodiless and self._message.has_head)

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
        while True:
            arrived, self._message.body = self._message.body, []
            yield from arrived
            if self._over and not self._message.body:
                return
            if not self._message.body:
                self._receive()

    def lines(self) -> Iterator[bytes]:
        """The body's lines without their line ends, as they arrive."""
        pending = b""
        for piece in self.pieces():
            *whole, pending = (pending + piece).split(b"\n")
            if len(pending) > LINE_LIMIT:
                raise BrokenAnswer("a line without an end")
            for line in whole:
                yield line.removesuffix(b"\r")

    @property
    def _over(self) -> bool:
        return self._message.is_complete or (self._bodiless and self._message.has_head)

    def _receive(self) -> None:
        data = self._source.read1(_PIECE)
        if not data:
            self._end()
            return
        self._seen += len(data)
        try:
            self._message.parser.feed_data(data)
        except httptools.HttpParserError:
            if not self._message.is_complete:
                raise BrokenAnswer(self._what_broke()) from None
            self._message.surplus = True
        if not self._message.has_head and self._seen > HEAD_LIMIT:
            raise BrokenAnswer(f"a head of more than {HEAD_LIMIT} bytes")

    def _end(self) -> None:
        if not self._seen:
            raise NoAnswer("the connection ended without an answer")
        self._ended = True
        if not self._message.ends_with_connection:
            raise BrokenAnswer(self._what_broke())
        self._message.is_complete = True

    def _what_broke(self) -> str:
        if self._message.has_head:
            return "the answer stopped in the middle"
        return "Invalid or missing HTTP status code"


class _Message:
    """What llhttp finds in an answer; the methods are those that httptools calls."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.has_head = False
        self.is_complete = False
        self.keeps_alive = False
        self.surplus = False  #: something follows the answer, which nobody asked for

    @property
    def ends_with_connection(self) -> bool:
        """Nothing else tells where its body ends (RFC 9112, 6.3)."""
        return self.has_head and not {"content-length", "transfer-encoding"} & self.headers.keys()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or a trailer behind the body, which means nothing to us."""
        if not self.has_head:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head has been read; that of an interim answer (RFC 9110, 15.2) is forgotten."""
        if self.is_complete:
            self.surplus = True
            return
        self.status = self.parser.get_status_code()
        self.has_head = self.status >= 200
        if not self.has_head:
            self.headers.clear()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if not self.surplus:
            self.body.append(data)

    def on_message_complete(self) -> None:
        """The answer is over."""
        if self.has_head and not self.surplus:
            self.is_complete = True
            self.keeps_alive = self.parser.should_keep_alive()
