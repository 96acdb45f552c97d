"""Answers of every shape, in pieces of every size, and what is no answer."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.client.http11 import Answer, BrokenAnswer, NoAnswer
from domus.client.requests import head, quote
from domus.client.sse import Message, messages


class Pieces(io.RawIOBase):
    """A connection that delivers bytes in pieces of given sizes."""

    def __init__(self, content: bytes, sizes: Iterator[int]) -> None:
        self._content = content
        self._sizes = sizes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = min(next(self._sizes, 1), len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size


def answer(content: bytes, sizes: list[int] | None = None, method: str = "GET") -> Answer:
    source = io.BufferedReader(Pieces(content, iter(sizes or [65536] * 1000)))
    return Answer(source, bodiless=method == "HEAD")


def chunked(pieces: list[bytes]) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(1, 40), max_size=60))
def test_a_chunked_body_comes_out_whole_however_it_arrives(pieces: list[bytes], sizes: list[int]) -> None:
    assert answer(chunked(pieces), [*sizes, *[7] * 1000]).read() == b"".join(pieces)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=20), max_size=8))
def test_lines_do_not_depend_on_chunks(lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines).encode()
    cut = [text[begin : begin + 3] for begin in range(0, len(text), 3)]
    assert list(answer(chunked(cut)).lines()) == [line.encode() for line in lines]


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_an_answer_or_broken_never_anything_else(content: bytes) -> None:
    for prefix in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        try:
            answer(prefix + content).read()
        except BrokenAnswer:
            pass


@pytest.mark.parametrize("cut", range(1, len(chunked([b"hello", b"world"]))))
def test_an_answer_that_stops_anywhere_is_broken(cut: int) -> None:
    with pytest.raises(BrokenAnswer):
        answer(chunked([b"hello", b"world"])[:cut]).read()


def test_no_answer_at_all_is_told_apart() -> None:
    with pytest.raises(NoAnswer):
        answer(b"")


def test_the_answer_to_a_head_request_has_no_body() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD").read() == b""


@pytest.mark.parametrize(
    "begun",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ],
)
def test_what_xend_never_sends_is_refused(begun: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        answer(begun).read()


def test_a_head_without_an_end_is_refused() -> None:
    with pytest.raises(BrokenAnswer, match="head of more than"):
        answer(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(20000)))


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    whole = answer(b"HTTP/1.1 200 OK\r\n\r\nhello", [3] * 20)
    assert whole.read() == b"hello"
    assert not whole.reusable


def test_interim_answers_are_passed_over() -> None:
    whole = answer(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + chunked([b"hello"]), [5] * 100)
    assert (whole.status, whole.headers, whole.read()) == (200, {"transfer-encoding": "chunked"}, b"hello")
    assert whole.reusable


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny"])
def test_a_connection_with_something_left_in_it_is_not_used_again(surplus: bytes) -> None:
    whole = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" + surplus)
    assert whole.read() == b"hi"
    assert not whole.reusable


def test_a_body_above_the_limit_is_refused() -> None:
    with pytest.raises(BrokenAnswer, match="more than 3 bytes"):
        answer(chunked([b"12", b"34"])).read(limit=3)


@pytest.mark.parametrize("target", ["/a\r\nEvil: 1", "/a\nb", "/a b", "/ä"])
def test_a_line_break_cannot_get_into_a_request(target: str) -> None:
    with pytest.raises(ValueError, match="not a request"):
        head("GET", target, host="x")


def test_quoting_leaves_nothing_that_means_something_in_a_url() -> None:
    assert quote("web-3_x.~") == "web-3_x.~"
    assert quote("a/b?c#d%ä +&") == "a%2Fb%3Fc%23d%25%C3%A4%20%2B%26"


def test_an_event_stream_is_read_by_the_book() -> None:
    lines = b": hello\n\nid: 7\ndata: one\ndata: two\n\nevent: problem\ndata:x\n\ndata: cut off".split(b"\n")
    assert list(messages(lines)) == [Message("message", "one\ntwo", "7"), Message("problem", "x", "7")]
