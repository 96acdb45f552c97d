"""Requests and answers over one kept connection, and what can be said when it breaks.

A request that changes something is never sent twice: when its answer does not come, the caller gets
`OutcomeUnknown`. A request that only reads is repeated once, on a fresh connection, when a kept one
turned out to be dead.
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Mapping
from typing import BinaryIO, Final, cast

from domus.client.http11 import Answer, BrokenAnswer, NoAnswer, Request
from domus.client.peers import Peer, reason
from domus.model.errors import DomusError, OutcomeUnknown, Unreachable

#: seconds without a byte after which an answer is given up; libxl may be slow, a dead host is silent
ANSWER_WITHIN: Final = 120.0

_READING: Final = frozenset({"GET", "HEAD"})


class Connection:
    """One connection to a xend; at most one answer is under way on it."""

    def __init__(self, peer: Peer, *, within: float = ANSWER_WITHIN) -> None:
        self.socket = peer.connect()
        self.socket.settimeout(within)
        self.source = cast(BinaryIO, self.socket.makefile("rb"))

    def close(self) -> None:
        """Hang up."""
        self.source.close()
        self.socket.close()

    @property
    def usable(self) -> bool:
        """An idle connection has nothing to read; if it has, that is its end."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLHUP)
        return not poll.poll(0)

    def send(self, head: bytes, body: Iterable[bytes]) -> None:
        """Write a request; an xend that answers and hangs up before having read it all is no error here."""
        self.socket.sendall(head)
        try:
            for piece in body:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # its answer, say "too large", may already be here to be read


class Exchange:
    """A peer and the connection that is kept to it between requests."""

    def __init__(self, peer: Peer, *, within: float = ANSWER_WITHIN) -> None:
        self.peer = peer
        self._within = within
        self._kept: Connection | None = None

    def close(self) -> None:
        """Hang up."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] = (),
    ) -> tuple[Answer, bytes]:
        """One request; returns its answer and the whole body of that.

        Raises:
            Unreachable: xend did not act on it.
            OutcomeUnknown: it may have.
        """

        def request() -> Request:
            return Request(method, target, host=self.peer.host, headers=headers or {})

        connection, fresh = self._take()
        try:
            try:
                answer, content = _converse(connection, request(), body)
            except (NoAnswer, ConnectionError):
                if fresh or method not in _READING:
                    raise
                connection.close()
                connection = Connection(self.peer, within=self._within)
                answer, content = _converse(connection, request(), body)
        except BaseException as error:
            connection.close()
            if isinstance(error, (BrokenAnswer, OSError)):
                raise self.broken(method, target, error) from error
            raise
        if answer.reusable:
            self._kept = connection
        else:
            connection.close()
        return answer, content

    def stream(self, target: str, *, headers: Mapping[str, str], within: float) -> tuple[Connection, Answer]:
        """A GET whose answer goes on and on, on a connection of its own; the caller closes it."""
        request = Request("GET", target, host=self.peer.host, headers=headers)
        connection = Connection(self.peer, within=within)
        try:
            connection.send(request.head, ())
            return connection, request.answer(connection.source)
        except BaseException as error:
            connection.close()
            if isinstance(error, (BrokenAnswer, OSError)):
                raise self.broken("GET", target, error) from error
            raise

    def broken(self, method: str, target: str, error: BrokenAnswer | OSError) -> DomusError:
        """The error for an exchange that broke off: unreachable, or unknown if it may have had an effect."""
        if isinstance(error, OSError):
            told = self.peer.explain(error)
            if told is not None:
                return told
            why = reason(error)
        else:
            why = str(error)
        if method not in _READING:
            return OutcomeUnknown(
                f"xend did not answer: {why}. It may have been done",
                where=str(self.peer),
                hint="look with xm list before repeating it",
            )
        if isinstance(error, BrokenAnswer) and not isinstance(error, NoAnswer):
            return Unreachable(f"Xend has probably crashed! {why}.", where=str(self.peer))
        return Unreachable(f"Unable to connect to xend: {why}. Is xend running?", where=str(self.peer))

    def _take(self) -> tuple[Connection, bool]:
        kept, self._kept = self._kept, None
        if kept is not None:
            if kept.usable:
                return kept, False
            kept.close()
        return Connection(self.peer, within=self._within), True


def _converse(connection: Connection, request: Request, body: Iterable[bytes]) -> tuple[Answer, bytes]:
    connection.send(request.head, body)
    answer = request.answer(connection.source)
    return answer, answer.read()
