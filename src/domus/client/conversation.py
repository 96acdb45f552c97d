"""One connection on which requests go out and answers come back. Light, as `requests` is."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from typing import Protocol

    from domus.client.http11 import Source

    class Conversation(Protocol):
        """What an `Exchange` needs of a connection; at most one answer is under way on it."""

        @property
        def source(self) -> Source:
            """Where answers are read."""

        def send(self, head: bytes, body: Iterable[bytes] = ()) -> None:
            """Write a request.

            An xend that answers and hangs up before it has read the whole body is no error here.
            """

        @property
        def usable(self) -> bool:
            """It waits for the next request."""

        def close(self) -> None:
            """Hang up."""


#: seconds without a byte after which an answer is given up; libxl may be slow, a dead host is silent
ANSWER_WITHIN = 120.0


class SocketConversation:
    """A conversation on a connected socket, plain or encrypted, which it takes over."""

    def __init__(self, connection: socket.socket, *, within: float = ANSWER_WITHIN) -> None:
        self.socket = connection
        self.socket.settimeout(within)
        self.source = connection.makefile("rb")

    def send(self, head: bytes, body: Iterable[bytes] = ()) -> None:
        """Write a request; see `Conversation`."""
        self.socket.sendall(head)
        try:
            for piece in body:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # its answer, say "too large", may already be here to be read

    @property
    def usable(self) -> bool:
        """An idle connection has nothing to read; if it has, that is its end."""
        return is_silent(self.socket)

    def close(self) -> None:
        """Hang up."""
        self.source.close()
        self.socket.close()


def is_silent(connection: socket.socket) -> bool:
    """Nothing has arrived on it, not even its end."""
    poll = select.poll()
    poll.register(connection, select.POLLIN | select.POLLHUP)
    return not poll.poll(0)
