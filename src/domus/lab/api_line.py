"""xend's API over a line into a lab host: a quarter of the time that TLS takes in an emulated domain 0.

The agent joins the line to xend's UNIX socket. Who may open the line's socket may also read the key of
the lab's TLS certificate, which lies beside it; nothing is weaker for it. Light, as `line` is.
"""

from __future__ import annotations

from domus.client.conversation import is_silent
from domus.lab.frames import Kind, pack, pieces
from domus.lab.line import GREETED_WITHIN, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CONNECT = pack(Kind.REQUEST, b'{"connect": "xend"}')


class ApiLine:
    """A conversation with xend, as `domus.client.conversation` has it, on a line that it takes over.

    Args:
        request: sent at once, before the agent has greeted.
        within: seconds without a byte after which an answer is given up.

    Raises:
        OSError: the host does not run.
    """

    def __init__(self, line: Line, request: bytes = b"", *, within: float) -> None:
        self._line = line
        self._within = within
        self._arrived = b""
        self._ended = False
        self.source = self
        line.hail(_CONNECT + (pieces(Kind.INPUT, request) if request else b""))

    def send(self, head: bytes, body: Iterable[bytes] = ()) -> None:
        """Write a request."""
        self._line.send(Kind.INPUT, head)
        try:
            for piece in body:
                self._line.send(Kind.INPUT, piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # as on a socket: its answer may already be here

    def greeted(self) -> bool:
        """The agent is there."""
        if not self._line.greeted(GREETED_WITHIN):
            return False
        self._line.connection.settimeout(self._within)
        return True

    def read1(self, size: int, /) -> bytes:
        """Bytes of an answer; none when xend has hung up.

        Raises:
            ConnectionRefusedError: no xend listens there.
            ConnectionError: the line was cut, or the agent is not there.
        """
        if not self.greeted():
            raise ConnectionError("the agent in the lab host does not answer")
        while not self._arrived and not self._ended:
            frames = self._line.receive()
            if not frames:
                raise ConnectionResetError("the line to the lab host was cut")
            for kind, payload in frames:
                if kind is Kind.OUTPUT:
                    self._arrived += payload
                elif kind is Kind.EXIT:
                    self._ended = True
                    if payload != b'{"status": 0}':
                        raise ConnectionRefusedError(111, "Connection refused")
        data, self._arrived = self._arrived[:size], self._arrived[size:]
        return data

    @property
    def usable(self) -> bool:
        """Nothing has arrived since the last answer, not even the end."""
        return not self._ended and not self._arrived and is_silent(self._line.connection)

    def close(self) -> None:
        """Hang up."""
        self._line.close()
