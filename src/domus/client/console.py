"""A domain's console, or its display, as a stream of bytes, for one thread or two.

It is a WebSocket; the protocol's rules are the `websockets` library's, the socket is ours, so that
a terminal program can wait for it and for its keyboard at once::

    with client.console("guest") as console:
        while data := console.receive():
            sys.stdout.buffer.write(data)
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Self

import msgspec
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from domus.client.peers import Peer, reason
from domus.model.console import ConsoleAttached, ConsoleEnd
from domus.model.errors import DomusError, InUse, Problem, Unreachable, from_problem

#: seconds within which a console opens
OPEN_WITHIN: Final = 30.0

#: bytes typed ahead before `send` waits for xend to take them
TYPED_AHEAD: Final = 65536

_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ConsoleStream:
    """An open console. `send` and `receive` may be called from two threads."""

    def __init__(self, connection: socket.socket, protocol: ClientProtocol, *, where: str, what: str) -> None:
        self._socket = connection
        self._protocol = protocol
        self._where = where
        self._what = what
        self._lock = threading.RLock()
        self._outgoing = bytearray()
        self._arrived: deque[bytes] = deque()
        self._opened = False
        self._hung_up = False
        self.attached: ConsoleAttached | None = None  #: domain and id; a new one after a reboot
        self.end = ""  #: why it ended, once `receive` has returned b""

    @classmethod
    def open(cls, peer: Peer, target: str, *, what: str = "console") -> ConsoleStream:
        """Connect, and wait until xend has let us in.

        Args:
            what: what it is a stream of, for errors.

        Raises:
            InUse: somebody else writes to this console.
            DomainNotFound, WrongState, Unreachable: as every other call.
        """
        connection = peer.connect()
        path, _, query = target.partition("?")
        # The library asks for a URI; only the path and the Host header come of it.
        uri = WebSocketURI(False, peer.host.strip("[]"), 80, path, query)
        stream = cls(connection, ClientProtocol(uri, max_size=None), where=str(peer), what=what)
        try:
            connection.setblocking(False)
            protocol = stream._protocol
            protocol.send_request(protocol.connect())
            stream._flush()
            deadline = time.monotonic() + OPEN_WITHIN
            while stream.attached is None and not stream._ended:
                if not stream._advance(deadline - time.monotonic()):
                    raise Unreachable(f"xend does not open the {what}: Connection timed out", where=str(peer))
            if stream.attached is None:
                stream._finish()
        except OSError as error:
            stream._abandon()
            raise peer.explain(error) or stream._lost(error) from error
        except BaseException:
            stream._abandon()
            raise
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        while data := self.receive():
            yield data

    def fileno(self) -> int:
        """For poll and select: readable means that `receive(0)` has something to do."""
        return self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Bytes typed are still here; `receive` or `send` passes them on when the socket is writable."""
        return bool(self._outgoing)

    def receive(self, within: float | None = None) -> bytes | None:
        """What the guest printed.

        Args:
            within: seconds to wait at the most; None: until there is something.

        Returns:
            Bytes as the guest sent them: they may hold anything. b"" when the console has ended, with
            `end` saying why; None when the time is over.

        Raises:
            Unreachable: the connection broke, or xend dropped us.
        """
        deadline = None if within is None else time.monotonic() + within
        try:
            while not self._arrived and not self._ended:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not self._advance(left) and deadline is not None and time.monotonic() >= deadline:
                    return None
        except OSError as error:
            raise self._lost(error) from error
        with self._lock:
            if self._arrived:
                data = b"".join(self._arrived)
                self._arrived.clear()
                return data
        self._finish()
        return b""

    def send(self, data: bytes) -> None:
        """Type `data`. Waits when more than `TYPED_AHEAD` bytes have not been taken yet."""
        try:
            with self._lock:
                if self._ended:
                    return
                self._protocol.send_binary(data)
                self._flush()
            while len(self._outgoing) > TYPED_AHEAD and not self._ended:
                self._advance(1.0)
        except OSError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Leave the console; the domain does not notice."""
        with self._lock:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                with suppress(OSError):  # it is gone already
                    self._flush()
        self._abandon()

    @property
    def _ended(self) -> bool:
        return self._hung_up or self._protocol.state in (State.CLOSING, State.CLOSED)

    def _advance(self, within: float | None) -> bool:
        """Wait until the socket can do something and do it; False when the time is over."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        if not poll.poll(None if within is None else max(0, round(within * 1000))):
            return False
        with self._lock:
            self._flush()
            self._read()
            self._flush()
        return True

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(65536)
            except _NOT_NOW:
                return
            if data:
                self._protocol.receive_data(data)
            else:
                self._hung_up = True
                self._protocol.receive_eof()
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    self._take(event)
                elif isinstance(event, Response):
                    self._opened = event.status_code == 101
            # decrypted bytes that poll() cannot see
            if not data or not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                return

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self.attached = msgspec.json.decode(bytes(frame.data), type=ConsoleAttached)
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._arrived.append(bytes(frame.data))

    def _flush(self) -> None:
        with self._lock:
            for piece in self._protocol.data_to_send():
                self._outgoing += piece  # an empty piece means "close for writing": ours is closed at the end
            while self._outgoing:
                try:
                    sent = self._socket.send(self._outgoing)
                except _NOT_NOW:
                    return
                except (BrokenPipeError, ConnectionResetError):
                    self._outgoing.clear()  # why it has gone can still be read
                    return
                del self._outgoing[:sent]

    def _finish(self) -> None:
        """Turn the way in which it ended into `end`, or into an error."""
        self._abandon()
        problem = _refusal(self._protocol, self._what) if not self._opened else None
        if problem is not None:
            raise problem
        frame = self._protocol.close_rcvd
        if frame is None:
            raise Unreachable(
                f"xend broke off the {self._what}", where=self._where, hint="the domain runs on"
            )
        if frame.code == ConsoleEnd.TAKEN:
            raise InUse(frame.reason or "somebody else writes to this console", hint="watching is possible")
        if frame.code != ConsoleEnd.ENDED:
            raise Unreachable(
                frame.reason or f"xend closed the {self._what} ({frame.code})", where=self._where
            )
        self.end = frame.reason or "domain ended"

    def _lost(self, error: OSError) -> Unreachable:
        self._abandon()
        return Unreachable(
            f"lost the {self._what}: {reason(error)}", where=self._where, hint="the domain runs on"
        )

    def _abandon(self) -> None:
        self._hung_up = True
        self._socket.close()


def _refusal(protocol: ClientProtocol, what: str) -> DomusError | None:
    """The error with which xend answered instead of opening the stream."""
    error = protocol.handshake_exc
    if isinstance(error, InvalidStatus) and error.response.body:
        try:
            return from_problem(msgspec.json.decode(bytes(error.response.body), type=Problem))
        except msgspec.DecodeError:
            return Unreachable(f"Xend has probably crashed! ProtocolError({error.response.status_code}).")
    return Unreachable(f"xend did not open the {what}: {error}") if error is not None else None
