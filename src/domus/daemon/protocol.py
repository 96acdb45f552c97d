"""One HTTP connection: uvicorn's protocol on httptools, plus who is calling and how much it may send.

httptools bounds nothing by itself: a request's head could grow without end (llhttp README,
"max header size is the embedder's business").
"""

from __future__ import annotations

from asyncio import Protocol, Transport
from functools import partial
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from domus.daemon.errors import problem_response
from domus.daemon.identity import who
from domus.daemon.transports import abort
from domus.model.errors import BadInput

#: bytes of a request's line and headers together
HEAD_LIMIT: Final = 32 << 10

#: seconds within which a connection's first request must have come
FIRST_REQUEST_WITHIN: Final = 30.0


class HttpProtocol(HttpToolsProtocol):
    """A connection to one caller. Requests find `who` and `abort` in their state."""

    def __init__(self, config: Config, server_state: ServerState) -> None:
        super().__init__(config, server_state, app_state={})
        self._head_bytes = 0
        self._in_head = True
        self._head_too_long = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Learn who is calling."""
        super().connection_made(transport)
        self.app_state = {"who": who(transport), "abort": partial(abort, transport)}
        # uvicorn ends idle connections after an answer, but not one that never asks.
        self.timeout_keep_alive_task = self.loop.call_later(
            FIRST_REQUEST_WITHIN, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; refuses a head that does not end."""
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_LIMIT and not self.transport.is_closing():
            self._head_too_long = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_LIMIT:
            self._head_too_long = True
            raise ValueError("head of a request too long")  # the parser answers with send_400_response
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no acceptable HTTP, and hang up."""
        if self._head_too_long:
            status, error = (
                b"431 Request Header Fields Too Large",
                f"a request's head above {HEAD_LIMIT} bytes",
            )
        else:
            status, error = b"400 Bad Request", "this is not HTTP/1.1"
        answer = problem_response(BadInput(error), headers={"Connection": "close"})
        lines = [b"HTTP/1.1 " + status, *(name + b": " + value for name, value in answer.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()


def websocket_protocol(config: Config, server_state: ServerState, app_state: dict[str, Any]) -> Protocol:
    """A connection that becomes a WebSocket; the library for it is imported with the first one."""
    from domus.daemon.websocket import WebSocketProtocol

    return WebSocketProtocol(config, server_state, app_state)
