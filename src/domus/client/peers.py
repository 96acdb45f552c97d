"""Where a xend is reached, and what its silence means: the local socket here, remote hosts in `tls`."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final, Protocol

from domus.client.conversation import SocketConversation
from domus.model.errors import Unreachable

if TYPE_CHECKING:
    from domus.client.conversation import Conversation

#: seconds for a connection to come about; an emulated host is slow, a missing one should not be waited for
CONNECT_WITHIN: Final = 15.0


class Peer(Protocol):
    """One xend, as seen from here."""

    @property
    def host(self) -> str:
        """What goes into the Host header."""

    @property
    def key(self) -> str:
        """Which xend it is, for a conversation that was begun early; "": none is."""

    def connect(self) -> socket.socket:
        """A connected socket of its own, ready for HTTP: for streams and consoles.

        Raises:
            Unreachable: and why.
        """

    def converse(self, *, within: float) -> Conversation:
        """A connection for requests and answers.

        Args:
            within: seconds without a byte after which an answer is given up.

        Raises:
            Unreachable: and why.
        """

    def explain(self, error: OSError) -> Unreachable | None:
        """Why the connection is unusable, when `error` proves that xend never acted on what we sent."""


class LocalPeer:
    """The xend of this machine, behind its UNIX socket."""

    host: Final = "localhost"

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return self.path

    @property
    def key(self) -> str:
        """Its path."""
        return self.path

    def connect(self) -> socket.socket:
        """A connected socket.

        Raises:
            Unreachable: in the words that `xm` always had for it.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_WITHIN)
            connection.connect(self.path)
        except OSError as error:
            connection.close()
            raise self._refused(error) from error
        return connection

    def converse(self, *, within: float) -> SocketConversation:
        """As `connect`."""
        return SocketConversation(self.connect(), within=within)

    def explain(self, error: OSError) -> Unreachable | None:
        """Nothing can be proven on a local connection."""
        return None

    def _refused(self, error: OSError) -> Unreachable:
        if error.errno in (errno.EACCES, errno.EPERM):
            return Unreachable("Most commands need root access. Please try again as root.")
        return Unreachable(f"Unable to connect to xend: {reason(error)}. Is xend running?")


def reason(error: OSError) -> str:
    """The system's words for `error`."""
    if isinstance(error, TimeoutError):
        return "Connection timed out"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
