"""A WebSocket connection for the application (ASGI 2.4), over websockets' protocol core.

uvicorn's own class rests on the deprecated half of the library; this one needs the protocol core only.
Nothing is compressed, incoming messages are bounded, reading stops while the application is behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from domus.daemon.transports import abort

log = logging.getLogger(__name__)

# The library's own lines about each connection and frame.
_library_log = log.getChild("protocol")
_library_log.setLevel(logging.WARNING)

#: bytes in one incoming message
MESSAGE_LIMIT: Final = 64 << 10

#: incoming messages that may wait for the application
WAITING_LIMIT: Final = 16

#: seconds for the other side to answer a close, or to take what was sent before
CLOSE_WITHIN: Final = 5.0

#: seconds between pings over a network, where a peer can vanish silently
PING_EVERY: Final = 20.0

Message = dict[str, Any]


class WebSocketProtocol(asyncio.Protocol):
    """One connection. It ends with the application, which runs in a task of its own."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._app = config.loaded_app
        self._state = app_state
        self._connections: set[Any] = server_state.connections
        self._tasks = server_state.tasks
        self._protocol = ServerProtocol(max_size=MESSAGE_LIMIT, logger=_library_log)
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self._request: Request | None = None
        self._refusal: tuple[int, Headers, bytearray] | None = None
        self._incoming: deque[Message] = deque([{"type": "websocket.connect"}])
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._fragments: list[bytes] = []
        self._lost = False
        self._timer: asyncio.TimerHandle | None = None
        self._ping_unanswered = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over an HTTP connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - streams only
        self.transport = transport
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of frames; the first ones are the request once more."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._begin(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()

    def eof_received(self) -> None:
        """The other side will send no more."""
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._connections.discard(self)
        self._lost = True
        self._stop_timer()
        self._writable.set()
        self._put({"type": "websocket.disconnect", "code": self._protocol.close_code or 1006, "reason": ""})

    def pause_writing(self) -> None:
        """The other side is behind."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    def shutdown(self) -> None:
        """Nothing: the application ends its streams itself, with their own reason, when xend stops.

        uvicorn's name for ending idle connections, which happens when certificates change too.
        """

    # What the application calls

    async def receive(self) -> Message:
        """Its next message."""
        while not self._incoming:
            self._arrived.clear()
            await self._arrived.wait()
        message = self._incoming.popleft()
        if len(self._incoming) < WAITING_LIMIT and not self._lost:
            self.transport.resume_reading()
        if message["type"] == "websocket.disconnect":
            self._incoming.append(message)  # whoever asks again is told again
        return message

    async def send(self, message: Message) -> None:
        """What it sends; returns when the other side can take more.

        Raises:
            OSError: the connection is gone.
        """
        match message["type"]:
            case "websocket.accept":
                self._accept()
            case "websocket.http.response.start":
                headers = Headers((name.decode(), value.decode()) for name, value in message["headers"])
                self._refusal = (message["status"], headers, bytearray())
            case "websocket.http.response.body":
                self._refuse(message.get("body", b""), more=message.get("more_body", False))
            case "websocket.close":
                if self._protocol.state is State.CONNECTING:
                    self._refusal = (HTTPStatus.FORBIDDEN, Headers(), bytearray())
                    self._refuse(b"", more=False)
                else:
                    self._close(message.get("code", 1000), message.get("reason") or "")
            case "websocket.send":
                if self._lost or self._protocol.state is not State.OPEN:
                    raise BrokenPipeError("WebSocket closed")
                if message.get("bytes") is not None:
                    self._protocol.send_binary(message["bytes"])
                else:
                    self._protocol.send_text(message["text"].encode())
                self._flush()
                await self._writable.wait()

    # The inside

    def _begin(self, request: Request) -> None:
        self._request = request
        path, _, query = request.path.partition("?")
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if self.transport.get_extra_info("sslcontext") else "ws",
            "path": unquote(path),
            "raw_path": path.encode("ascii", "replace"),
            "root_path": "",
            "query_string": query.encode("ascii", "replace"),
            "headers": [
                (n.lower().encode(), v.encode("latin-1", "replace")) for n, v in request.headers.raw_items()
            ],
            "subprotocols": [],
            "state": dict(self._state),
            "extensions": {"websocket.http.response": {}},
        }
        task = self._loop.create_task(self._run(scope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, scope: Message) -> None:
        try:
            await self._app(scope, self.receive, self.send)
        except OSError:
            pass  # it wrote to a connection that had gone
        except Exception:
            log.exception("a WebSocket's application failed")
        finally:
            if self._protocol.state is State.CONNECTING and not self._lost:
                abort(self.transport)
            self._close(1011, "")

    def _accept(self) -> None:
        assert self._request is not None  # noqa: S101 - the application runs because of it
        response = self._protocol.accept(self._request)
        self._protocol.send_response(response)
        self._flush()
        if self._protocol.state is State.OPEN and self.transport.get_extra_info("sslcontext"):
            self._timer = self._loop.call_later(PING_EVERY, self._ping)

    def _refuse(self, body: bytes, *, more: bool) -> None:
        if self._refusal is None:
            return
        status, headers, content = self._refusal
        content += body
        if not more:
            self._refusal = None
            headers["Connection"] = "close"
            self._protocol.send_response(Response(status, HTTPStatus(status).phrase, headers, bytes(content)))
            self._flush()

    def _take(self, frame: Frame) -> None:
        self._ping_unanswered = False
        if frame.opcode is Opcode.CLOSE:
            code = self._protocol.close_code or 1005
            self._put({"type": "websocket.disconnect", "code": code, "reason": self._protocol.close_reason})
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if frame.opcode is not Opcode.CONT:
                self._fragments = []
                self._text = frame.opcode is Opcode.TEXT
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                whole = b"".join(self._fragments)
                self._put(
                    {"type": "websocket.receive", "text": whole.decode(errors="replace")}
                    if self._text
                    else {"type": "websocket.receive", "bytes": whole}
                )

    def _put(self, message: Message) -> None:
        self._incoming.append(message)
        self._arrived.set()
        if len(self._incoming) >= WAITING_LIMIT and not self._lost:
            self.transport.pause_reading()

    def _close(self, code: int, reason: str) -> None:
        if self._protocol.state is State.OPEN and not self._lost:
            self._protocol.send_close(code, reason)
            self._flush()

    def _ping(self) -> None:
        if self._ping_unanswered:
            abort(self.transport)
            return
        self._ping_unanswered = True
        self._protocol.send_ping(b"")
        self._timer = self._loop.call_later(PING_EVERY, self._ping)
        self._flush()

    def _flush(self) -> None:
        if self._lost:
            return
        for piece in self._protocol.data_to_send():
            if piece:
                self.transport.write(piece)
            else:  # the protocol is through: nothing follows
                self.transport.close()
        if self._protocol.close_expected():
            self._stop_timer()
            self._timer = self._loop.call_later(CLOSE_WITHIN, abort, self.transport)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
