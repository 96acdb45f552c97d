"""A domain's console as a WebSocket: binary frames are its bytes, text frames are about it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.websockets import WebSocket

from domus.daemon.errors import UpgradeNeeded
from domus.daemon.relay import Reader
from domus.daemon.routes import typed
from domus.daemon.routes.endpoint import BYTES, Call, Endpoint, Query, flag_in
from domus.daemon.xend import Xend
from domus.model.console import ConsoleAttached, ConsoleEnd
from domus.model.errors import DomainNotFound, InUse, WrongState

PATH = "/v1/domains/{ref}/console"


async def not_a_websocket(call: Call) -> None:
    """A plain request for a console."""
    raise UpgradeNeeded("a console is a WebSocket", hint="xm console, or any WebSocket client")


async def serve(xend: Xend, socket: WebSocket) -> None:
    """Serve one reader, who may be the writer, until one side ends it."""
    wants_write = flag_in(socket.query_params, "write", default=False)
    scrollback = flag_in(socket.query_params, "scrollback", default=True)
    relay = await xend.consoles.relay(socket.path_params["ref"])  # errors: an answer instead of a WebSocket
    await socket.accept()
    try:
        reader = relay.attach(who=socket.state.who, write=wants_write, scrollback=scrollback)
    except InUse as taken:
        await socket.close(ConsoleEnd.TAKEN, taken.what[:120])  # 123 bytes at the most: RFC 6455, 5.5
        return
    printing = asyncio.create_task(_print(socket, reader))
    typing = asyncio.create_task(typed.carry(socket, reader.write))
    try:
        ends: set[asyncio.Future[Any]] = {printing, typing, reader.dropped, xend.stopping}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        end = _end(xend, typing, printing, reader)
    finally:
        relay.detach(reader)
        xend.consoles.release(relay)
        for task in (printing, typing):
            task.cancel()
        await asyncio.gather(printing, typing, return_exceptions=True)
    if end is not None:
        await socket.close(end, _REASONS.get(end, reader.reason))


async def _print(socket: WebSocket, reader: Reader) -> None:
    async for item in reader:
        if isinstance(item, ConsoleAttached):
            await socket.send_text(msgspec.json.encode(item).decode())
        else:
            await socket.send_bytes(item)


def _end(
    xend: Xend, typing: asyncio.Task[ConsoleEnd | None], printing: asyncio.Task[None], reader: Reader
) -> ConsoleEnd | None:
    """Why the stream ends; None: its reader left."""
    if xend.stopping.done():
        return ConsoleEnd.STOPPING
    if reader.dropped.done():
        return ConsoleEnd.TOO_SLOW
    if typing.done() and not printing.done():
        return None if typing.exception() else typing.result()
    return None if printing.exception() else ConsoleEnd.ENDED


_REASONS = {
    ConsoleEnd.STOPPING: "xend is being stopped; the domain runs on",
    ConsoleEnd.TOO_SLOW: "too much output was waiting for this reader",
    ConsoleEnd.BAD_FRAME: "only binary frames can be typed",
}

ENDPOINTS = (
    Endpoint(
        "GET",
        PATH,
        not_a_websocket,
        "A domain's console, as a WebSocket. One may write, any number may watch.",
        answer=bytes,
        media=BYTES,
        status=HTTPStatus.SWITCHING_PROTOCOLS,
        query=(
            Query("write", bool, "type into it; closed with 4409 when somebody else does"),
            Query("scrollback", bool, "begin with what was printed last, up to 64 KiB; on by default"),
        ),
        errors=(DomainNotFound, WrongState, UpgradeNeeded),
    ),
)
