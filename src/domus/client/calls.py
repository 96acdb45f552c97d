"""Requests whose bodies are JSON, answers as `domus.model` has them, problems as its errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Final, TypeVar

import msgspec

from domus.client.exchange import Exchange
from domus.client.http11 import Answer, BrokenAnswer
from domus.client.requests import quote
from domus.model.errors import DomainNotFound, DomusError, Problem, Unreachable, from_problem

T = TypeVar("T")

#: seconds of silence after which an event stream counts as broken; xend sends a heartbeat every 15 s
STREAM_WITHIN: Final = 60.0


class Calls:
    """What every part of the client asks through; it has the one connection that is kept."""

    #: called with one line about each request once it is answered, where somebody wants to know
    tell: ClassVar[Callable[[str], None] | None] = None

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def get(self, target: str, kind: type[T]) -> T:
        """The answer to a GET."""
        return decode(self.ask("GET", target), kind)

    def post(self, target: str, body: msgspec.Struct | None, kind: type[T]) -> T:
        """The answer to a POST."""
        return decode(self.ask("POST", target, body), kind)

    def ask(self, method: str, target: str, body: msgspec.Struct | None = None) -> bytes:
        """The bare answer to a request with a JSON body, or with none."""
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"Content-Length": str(len(content))} if method not in ("GET", "HEAD") else {}
        if content:
            headers["Content-Type"] = "application/json"
        begun = time.monotonic()
        answer, answered = self.exchange.ask(
            method, target, headers=headers, body=(content,) if content else ()
        )
        if Calls.tell is not None:
            took = f"{(time.monotonic() - begun) * 1000:.0f} ms"
            told = f"{answer.status}, {len(answered)} bytes, {took}"
            Calls.tell(f"{method} {target} of {self.exchange.peer}: {told}")
        return self.settle(answer, answered)

    def send(self, method: str, target: str, pieces: Iterable[bytes], size: int) -> bytes:
        """The bare answer to a request whose body is `size` bytes."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        return self.settle(*self.exchange.ask(method, target, headers=headers, body=pieces))

    def stream(self, target: str) -> Iterator[str]:
        """The messages of a stream of server-sent events, as they come."""
        from domus.client.sse import messages

        headers = {"Accept": "text/event-stream"}
        connection, answer = self.exchange.stream(target, headers=headers, within=STREAM_WITHIN)
        try:
            if answer.status != 200:
                self.settle(answer, answer.read())
            for message in messages(answer.lines()):
                if message.event == "problem":
                    raise from_problem(decode(message.data.encode(), Problem))
                yield message.data
        except (BrokenAnswer, OSError) as error:
            raise self.exchange.broken("GET", target, error) from error
        finally:
            connection.close()

    def settle(self, answer: Answer, content: bytes) -> bytes:
        """The body of an answer, or the error that it tells."""
        if answer.status < 300:
            return content
        raise _error(answer, content, where=str(self.exchange.peer))


def domain_path(ref: str) -> str:
    """The path of a domain. No domain's name has a slash, and some servers' paths mind it."""
    if not ref or "/" in ref:
        raise DomainNotFound(f"Domain '{ref}' does not exist.")
    return f"/v1/domains/{quote(ref)}"


def decode(content: bytes, kind: type[T]) -> T:
    """JSON from xend as `kind`."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise DomusError(
            f"xend answered in a way that this version does not understand: {error}",
            hint="are xm and xend of the same version?",
        ) from error


def _error(answer: Answer, content: bytes, *, where: str) -> DomusError:
    if answer.kind == "application/problem+json" and content:
        return from_problem(decode(content, Problem))
    if "domus-problem" in answer.headers:  # the answer to a HEAD has no body
        return from_problem(Problem(type=answer.headers["domus-problem"], title=f"HTTP {answer.status}"))
    return Unreachable(f"Xend has probably crashed! ProtocolError({answer.status}).", where=where)
