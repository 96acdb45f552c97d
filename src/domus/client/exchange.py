"""Requests and answers over one kept connection, and what can be said when it breaks.

A request that changes something is never sent twice: when its answer does not come, the caller gets
`OutcomeUnknown`. A request that only reads is repeated once, on a fresh connection, when a kept one
turned out to be dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from domus.client import early
from domus.client.conversation import ANSWER_WITHIN, SocketConversation
from domus.client.http11 import Answer, BrokenAnswer, NoAnswer
from domus.client.peers import Peer, reason
from domus.client.requests import head
from domus.model.errors import DomusError, OutcomeUnknown, Unreachable

if TYPE_CHECKING:
    from domus.client.conversation import Conversation

_READING: Final = frozenset({"GET", "HEAD"})


class Exchange:
    """A peer and the connection that is kept to it between requests."""

    def __init__(self, peer: Peer, *, within: float = ANSWER_WITHIN) -> None:
        self.peer = peer
        self._within = within
        self._kept: Conversation | None = None

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

        request = head(method, target, host=self.peer.host, headers=headers)
        begun = early.take(self.peer.key, method, target)
        connection, fresh = (begun, False) if begun is not None else self._take()
        try:
            try:
                answer, content = _converse(connection, b"" if begun is not None else request, body, method)
            except (NoAnswer, ConnectionError):
                if fresh or method not in _READING:
                    raise
                connection.close()
                connection = self.peer.converse(within=self._within)
                answer, content = _converse(connection, request, body, method)
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

    def stream(
        self, target: str, *, headers: Mapping[str, str], within: float
    ) -> tuple[Conversation, Answer]:
        """A GET whose answer goes on and on, on a connection of its own; the caller closes it."""
        connection = SocketConversation(self.peer.connect(), within=within)
        try:
            connection.send(head("GET", target, host=self.peer.host, headers=headers))
            return connection, Answer(connection.source)
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

    def _take(self) -> tuple[Conversation, bool]:
        kept, self._kept = self._kept, None
        if kept is not None:
            if kept.usable:
                return kept, False
            kept.close()
        return self.peer.converse(within=self._within), True


def _converse(
    connection: Conversation, request: bytes, body: Iterable[bytes], method: str
) -> tuple[Answer, bytes]:
    """Send a request, unless it has been sent, and read its answer."""
    if request:
        connection.send(request, body)
    answer = Answer(connection.source, bodiless=method == "HEAD")
    return answer, answer.read()
