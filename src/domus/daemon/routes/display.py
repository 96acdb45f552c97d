"""A domain's display: what a viewer needs, and its bytes as a WebSocket in binary frames."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket

from domus.daemon.errors import UpgradeNeeded
from domus.daemon.routes.endpoint import BYTES, Call, Endpoint
from domus.daemon.routes.typed import carry
from domus.daemon.transports import abort
from domus.daemon.xend import Xend
from domus.model.console import ConsoleAttached, ConsoleEnd
from domus.model.display import Display
from domus.model.errors import DomainNotFound, HostProblem, WrongState

PATH: Final = "/v1/domains/{ref}/display/stream"

#: bytes taken from QEMU at once
_PIECE: Final = 64 << 10

#: seconds for QEMU to take a connection on its own machine
_CONNECT_WITHIN: Final = 10.0


async def display(call: Call) -> Display:
    """What a viewer needs."""
    return await call.xend.domains.displays.get(call.path("ref"))


async def not_a_websocket(call: Call) -> None:
    """A plain request for the stream."""
    raise UpgradeNeeded("a display is a WebSocket", hint="xm vncviewer")


async def serve(xend: Xend, socket: WebSocket) -> None:
    """Join one viewer with QEMU until one of them ends it."""
    # Errors until here are an answer instead of a WebSocket.
    found, place = await xend.domains.displays.place(socket.path_params["ref"])
    try:
        async with asyncio.timeout(_CONNECT_WITHIN):
            if place.path:
                reader, writer = await asyncio.open_unix_connection(place.path)
            else:
                reader, writer = await asyncio.open_connection(place.host, place.port)
    except (OSError, TimeoutError) as error:
        raise HostProblem(
            f"the display of {found.domain} cannot be reached",
            where=place.path or f"{place.host}:{place.port}",
        ) from error
    try:
        await socket.accept()
        await socket.send_text(_attached(found))
        shown = asyncio.create_task(_show(socket, reader))
        typed = asyncio.create_task(_type(socket, writer))
        try:
            ends: set[asyncio.Future[Any]] = {shown, typed, xend.stopping}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            end = _end(xend, shown, typed)
        finally:
            for task in (shown, typed):
                task.cancel()
            await asyncio.gather(shown, typed, return_exceptions=True)
        if end is not None:
            await socket.close(end, _REASONS[end])
    finally:
        abort(writer.transport)


async def _show(socket: WebSocket, reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionResetError):
        while data := await reader.read(_PIECE):
            await socket.send_bytes(data)


async def _type(socket: WebSocket, writer: asyncio.StreamWriter) -> ConsoleEnd | None:
    async def write(data: bytes) -> None:
        with suppress(ConnectionResetError):
            writer.write(data)
            await writer.drain()

    return await carry(socket, write)


def _end(xend: Xend, shown: asyncio.Task[None], typed: asyncio.Task[ConsoleEnd | None]) -> ConsoleEnd | None:
    """Why the stream ends; None: the viewer left."""
    if xend.stopping.done():
        return ConsoleEnd.STOPPING
    if typed.done():
        return None if typed.exception() else typed.result()
    return None if shown.exception() else ConsoleEnd.ENDED


_REASONS: Final = {
    ConsoleEnd.STOPPING: "xend is being stopped; the domain runs on",
    ConsoleEnd.BAD_FRAME: "only binary frames belong to a display",
    ConsoleEnd.ENDED: "its VNC server closed it",
}


def _attached(found: Display) -> str:
    return msgspec.json.encode(ConsoleAttached(domain=found.domain, domid=found.domid, write=True)).decode()


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/domains/{ref}/display",
        display,
        "What a viewer of the domain's VNC display needs to know.",
        answer=Display,
        errors=(DomainNotFound, WrongState),
    ),
    Endpoint(
        "GET",
        PATH,
        not_a_websocket,
        "A domain's display, as a WebSocket: the bytes of its VNC server, and those for it.",
        answer=bytes,
        media=BYTES,
        status=HTTPStatus.SWITCHING_PROTOCOLS,
        errors=(DomainNotFound, WrongState, UpgradeNeeded),
    ),
)
