"""One connection to xenstored, from its first byte to its end: requests out, replies matched to them."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from domus.model.errors import BadInput, DomusError, OutcomeUnknown, Unreachable, XenStoreError
from domus.xen.xenstore import wire
from domus.xen.xenstore.transport import Transport
from domus.xen.xenstore.wire import Operation, Packet, PacketReader, ProtocolError

_log: Final = logging.getLogger("domus.xenstore")
_REQUEST_IDS: Final = 1 << 32


class _Request(NamedTuple):
    """A request without its reply yet."""

    operation: Operation
    subject: str  #: what it is about, for messages
    tx_id: int
    reply: asyncio.Future[bytes] | None  #: None: nobody waits for it
    if_abandoned: Callable[[bytes], None] | None  #: gets a good reply for which nobody waits any more


class Connection:
    """A live connection; when it ends, all its requests fail, and it is never used again.

    A caller may be cancelled while it waits: its request stays known until its reply came, so that the
    reply is dropped and the request id is not given to another in the meantime.

    Args:
        transport: not started yet.
        on_event: gets each watch event.
        on_end: gets the reason, once, when the connection ends other than by `close`.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        on_event: Callable[[wire.WatchEvent], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._transport = transport
        self._reader = PacketReader()
        self._on_event = on_event
        self._on_end = on_end
        self._requests: dict[int, _Request] = {}
        self._unsent: deque[bytes] = deque()  # where the transport takes one request at a time
        self._busy = False
        self._last_id = 0
        self._ended = ""
        transport.start(self._received, self._lost)

    @property
    def ended(self) -> str:
        """Why it ended; empty while it lives."""
        return self._ended

    def ask(
        self,
        operation: Operation,
        payload: bytes,
        *,
        subject: str = "",
        tx_id: int = 0,
        if_abandoned: Callable[[bytes], None] | None = None,
    ) -> asyncio.Future[bytes]:
        """Send a request; the future is the reply's payload.

        Args:
            subject: what it is about, for messages.
            if_abandoned: gets the payload when the request succeeded but its future was cancelled.

        Raises:
            BadInput: the payload is too long; nothing was sent.
            Unreachable: the connection has ended; nothing was sent.

        The future raises:
            XenStoreError: xenstored refused; `errno_name` says why.
            Unreachable: the connection ended before the reply; the request changes nothing.
            OutcomeUnknown: the same, of a request that does change something.
        """
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._send(_Request(operation, subject, tx_id, reply, if_abandoned), payload)
        return reply

    def post(self, operation: Operation, payload: bytes, *, subject: str = "", tx_id: int = 0) -> None:
        """Send a request for whose reply nobody waits; does nothing once the connection has ended."""
        if not self._ended:
            self._send(_Request(operation, subject, tx_id, None, None), payload)

    def close(self, why: str = "the connection to XenStore was closed") -> None:
        """End it; requests that have no reply yet fail. A second call does nothing."""
        if self._ended:
            return
        self._ended = why
        self._transport.close()
        self._unsent.clear()
        requests, self._requests = self._requests, {}
        for request in requests.values():
            if request.reply is not None and not request.reply.done():
                request.reply.set_exception(_unanswered(request, why))

    def _send(self, request: _Request, payload: bytes) -> None:
        if self._ended:
            raise Unreachable(f"XenStore is not connected: {self._ended}", where=request.subject)
        if len(payload) > self._transport.payload_max:
            raise BadInput(
                f"a XenStore request of {len(payload)} bytes is too long",
                where=request.subject[:100],
                hint=f"this connection carries at most {self._transport.payload_max}, path included",
            )
        req_id = self._free_id()
        message = wire.encode(request.operation, payload, req_id=req_id, tx_id=request.tx_id)
        self._requests[req_id] = request
        if self._busy and not self._transport.pipelines:
            self._unsent.append(message)
        else:
            self._busy = True
            self._transport.send(message)

    def _free_id(self) -> int:
        # 0 is what watch events carry.
        while True:
            self._last_id = (self._last_id + 1) % _REQUEST_IDS
            if self._last_id and self._last_id not in self._requests:
                return self._last_id

    def _received(self, data: bytes) -> None:
        try:
            for packet in self._reader.feed(data):
                self._take(packet)
            if self._reader.broken:
                self._reader.feed(b"")  # raises what is wrong
        except ProtocolError as error:
            _log.error("XenStore connection given up: %s", error.what)
            self._lost(error.what)

    def _take(self, packet: Packet) -> None:
        if self._ended:
            return  # an event's receiver has closed us
        if packet.operation == Operation.WATCH_EVENT:
            self._on_event(wire.watch_event(packet.payload))
            return
        request = self._requests.get(packet.req_id)
        if request is None:
            raise ProtocolError(f"XenStore answers request {packet.req_id}, which was not made")
        # Whatever is wrong with the reply is found while the request is still among those that fail.
        refused = wire.errno_name(packet.payload) if packet.operation == Operation.ERROR else ""
        if not refused and packet.operation != request.operation:
            raise ProtocolError(f"XenStore answers {request.operation.name} with type {packet.operation}")
        del self._requests[packet.req_id]
        self._send_next()
        if refused:
            _refuse(request, refused)
        else:
            _answer(request, packet.payload)

    def _send_next(self) -> None:
        if self._unsent:
            self._transport.send(self._unsent.popleft())
        else:
            self._busy = False

    def _lost(self, why: str) -> None:
        if not self._ended:
            self.close(why)
            self._on_end(why)


def _answer(request: _Request, payload: bytes) -> None:
    if request.reply is not None and not request.reply.done():
        request.reply.set_result(payload)
    elif request.if_abandoned is not None:
        request.if_abandoned(payload)


def _refuse(request: _Request, errno_name: str) -> None:
    if request.reply is not None and not request.reply.done():
        request.reply.set_exception(refusal(request.operation, request.subject, errno_name))


def refusal(operation: Operation, subject: str, errno_name: str) -> XenStoreError:
    """The error for a request that xenstored answered with the errno of that name."""
    number = getattr(errno, errno_name, None)
    meaning = f" ({os.strerror(number)})" if number else ""
    return XenStoreError(
        f"XenStore refused {operation.name}: {errno_name}{meaning}", where=subject, errno_name=errno_name
    )


def _unanswered(request: _Request, why: str) -> DomusError:
    if request.operation in wire.READ_ONLY:
        return Unreachable(f"XenStore did not answer {request.operation.name}: {why}", where=request.subject)
    return OutcomeUnknown(
        f"XenStore did not answer {request.operation.name}: {why}",
        where=request.subject,
        hint="it may have been done: read the node again before repeating",
    )
