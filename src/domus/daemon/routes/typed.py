"""What comes in binary frames of a WebSocket: typed at a console, or sent by a viewer of a display."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from domus.model.console import ConsoleEnd


async def carry(socket: WebSocket, write: Callable[[bytes], Awaitable[None]]) -> ConsoleEnd | None:
    """Hand every frame on until the other end has left, which is None, or has sent a text frame."""
    while True:
        try:
            message = await socket.receive()
        except WebSocketDisconnect:
            return None
        if message["type"] == "websocket.disconnect":
            return None
        data = message.get("bytes")
        if data is None:
            return ConsoleEnd.BAD_FRAME
        await write(data)
