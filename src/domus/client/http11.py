"""Just enough HTTP/1.1 for talking to xend: one request written, one answer read, nothing guessed.

It reads from any buffered binary file, so that the same code serves sockets, TLS and tests. What xend
does not send (trailers, folded headers, several codings) is refused rather than interpreted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

#: bytes in one line of an answer's head, or of an event stream
LINE_LIMIT: Final = 1 << 20

#: lines in an answer's head
HEADERS_LIMIT: Final = 64

#: bytes of an answer's body that `Answer.read` takes into memory
BODY_LIMIT: Final = 64 << 20

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class BrokenAnswer(Exception):
    """The other side does not speak HTTP/1.1, or stopped in the middle of an answer."""


class NoAnswer(BrokenAnswer):
    """The connection ended before the first byte of an answer."""


def quote(text: str) -> str:
    """`text` as one segment of a path, or one value of a query (RFC 3986, 2.3)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def request_head(method: str, target: str, *, host: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request; `target` is already quoted.

    Raises:
        ValueError: a line break in one of the arguments, which would begin a header of its own.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("line break in the head of a request")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


class Answer:
    """One answer: its status and headers are read on construction, its body when asked for.

    Raises:
        NoAnswer: the connection ended before it began.
        BrokenAnswer: this is not HTTP/1.1.
    """

    def __init__(self, source: BinaryIO, *, method: str = "GET") -> None:
        self._source = source
        self.status = _read_status(source)
        self.headers = _read_headers(source)
        if self.status < 200:
            raise BrokenAnswer(f"unexpected interim answer {self.status}")
        self.reusable = self.headers.get("connection", "").lower() != "close"  #: once the body is read
        self._bodyless = method == "HEAD" or self.status in (204, 304)
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def kind(self) -> str:
        """Its media type, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

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
        if self._bodyless:
            return
        if self._chunked:
            yield from self._chunks()
            return
        length = self.headers.get("content-length")
        if length is None:
            self.reusable = False
            while piece := self._source.read(65536):
                yield piece
            return
        left = _number(length, 10)
        while left:
            piece = self._source.read(min(left, 65536))
            if not piece:
                raise BrokenAnswer("the answer stopped in the middle")
            left -= len(piece)
            yield piece

    def lines(self) -> Iterator[bytes]:
        """The body's lines without their line ends, as they arrive."""
        pending = b""
        for piece in self.pieces():
            *whole, pending = (pending + piece).split(b"\n")
            if len(pending) > LINE_LIMIT:
                raise BrokenAnswer("a line without an end")
            for line in whole:
                yield line.removesuffix(b"\r")

    def _chunks(self) -> Iterator[bytes]:
        while size := _number(_read_line(self._source).partition(b";")[0].decode("latin-1"), 16):
            chunk = self._source.read(size)
            if len(chunk) < size or self._source.read(2) != b"\r\n":
                raise BrokenAnswer("the answer stopped in the middle")
            yield chunk
        if _read_line(self._source):
            raise BrokenAnswer("trailers after the answer")


def _read_status(source: BinaryIO) -> int:
    line = source.readline(LINE_LIMIT)
    if not line:
        raise NoAnswer("the connection ended without an answer")
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or len(code) != 3:
        raise BrokenAnswer("Invalid or missing HTTP status code")
    return int(code)


def _read_headers(source: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(HEADERS_LIMIT):
        line = _read_line(source)
        if not line:
            return headers
        name, colon, value = line.partition(b":")
        if not colon or name != name.strip():
            raise BrokenAnswer("a header without a name")
        headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
    raise BrokenAnswer("too many headers")


def _read_line(source: BinaryIO) -> bytes:
    line = source.readline(LINE_LIMIT)
    if not line.endswith(b"\n"):
        raise BrokenAnswer("the answer stopped in the middle")
    return line.rstrip(b"\r\n")


def _number(text: str, base: int) -> int:
    digits = text.strip()
    if not digits.isalnum() or not digits.isascii():
        raise BrokenAnswer("a length that is not a number")
    try:
        return int(digits, base)
    except ValueError:
        raise BrokenAnswer("a length that is not a number") from None
