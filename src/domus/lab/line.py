"""Lines into a lab host's domain 0: taken, greeted, and used for one request to its agent each.

Light on purpose: over a line a command's first request leaves before the rest of `xm` is imported.
What a line carries is in `frames`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import contextmanager

from domus.lab.frames import HELLO, MAX_PAYLOAD, NONCE, Broken, Kind, Reader, pack, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: how many lines a host has: so many commands, shells and consoles at a time
LINES = 12

#: seconds that the agent of a host that is not overloaded takes at the most to greet
GREETED_WITHIN = 2.0


def line_name(number: int) -> str:
    """The file name of a host's line `number` (see `domus.lab.agent`)."""
    return f"line{number}.sock"


class Line:
    """A line of our own to the agent, for one request.

    Args:
        connection: to QEMU's end of the line.
        lock: descriptor of the lock that keeps others off it.
    """

    def __init__(self, connection: socket.socket, lock: int) -> None:
        self.connection = connection
        self._lock = lock
        self._reader = Reader()
        self._nonce = b""
        self._heard: bytes | None = b""  # before the greeting; None: greeted
        self._early: list[tuple[Kind, bytes]] = []

    def fileno(self) -> int:
        """For select."""
        return self.connection.fileno()

    def hail(self, more: bytes = b"") -> None:
        """Say who we are, and what we want in the same breath. Raises OSError."""
        self._nonce = os.urandom(NONCE)
        self._heard = b""
        self.connection.sendall(HELLO + self._nonce + more)

    def greeted(self, within: float) -> bool:
        """Whether the agent answered; what an earlier session left in the line is dropped."""
        until = time.monotonic() + within
        while self._heard is not None:
            left = until - time.monotonic()
            if left <= 0:
                return False
            self.connection.settimeout(left)
            try:
                data = self.connection.recv(MAX_PAYLOAD)
            except OSError:  # too late, or QEMU has just ended
                return False
            if not data:
                return False
            self._heard += data
            if (at := self._heard.find(self._nonce)) >= 0:
                self._early = self._reader.feed(self._heard[at + NONCE :])
                self._heard = None
                self.connection.settimeout(None)
        return True

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Send one frame, or as many as a long payload needs."""
        self.connection.sendall(pieces(kind, payload) if payload else pack(kind))

    def receive(self) -> list[tuple[Kind, bytes]]:
        """The next frames; none when the line was cut. Raises TimeoutError, as the connection is set."""
        frames, self._early = self._early, []
        while not frames:
            try:
                data = self.connection.recv(MAX_PAYLOAD)
                if not data:
                    return []
                frames = self._reader.feed(data)
            except TimeoutError:
                raise
            except (OSError, Broken):
                return []
        return frames

    def close(self) -> None:
        """Hang up, and leave the line to others."""
        self.connection.close()
        os.close(self._lock)


def take(folder: str) -> Line | None:
    """The first line of a host that nobody uses; None when all are taken.

    Args:
        folder: where the host's sockets are.

    Raises:
        FileNotFoundError: there is no such host.
        OSError: it does not run.
    """
    for number in range(LINES):
        lock = os.open(f"{folder}/line{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(f"{folder}/{line_name(number)}")
        except BaseException:
            connection.close()
            os.close(lock)
            raise
        return Line(connection, lock)
    return None


@contextmanager
def opened(folder: str | os.PathLike[str], *, within: float = 10.0) -> Iterator[Line]:
    """A line to the agent of the host whose sockets are in `folder`, greeted.

    Raises:
        Unreachable: the host does not run, or its agent did not answer within `within` seconds.
        Busy: all its lines are taken.
    """
    from domus.model.errors import Busy, Unreachable

    where = os.fspath(folder)
    name = os.path.basename(where)  # noqa: PTH119 - pathlib is not imported here
    until = time.monotonic() + within
    while True:
        try:
            line = take(where)
        except FileNotFoundError as error:
            raise Unreachable(f"lab host {name} does not exist", hint="xm lab list") from error
        except OSError as error:
            raise Unreachable(f"lab host {name} does not run", hint=f"xm lab up {name}") from error
        if line is None:
            raise Busy(f"lab host {name}: all {LINES} lines are taken", hint="end one of its shells")
        try:
            line.hail()
            if line.greeted(min(GREETED_WITHIN, max(0.1, until - time.monotonic()))):
                yield line
                return
        except BrokenPipeError:
            pass  # QEMU has just ended, as the next try will find
        finally:
            line.close()
        if time.monotonic() > until:
            raise Unreachable(
                f"lab host {name} runs, but its agent does not answer", hint=f"xm lab log {name}"
            )
