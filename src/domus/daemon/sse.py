"""Server-sent events: items of an async iterator as a stream that can be resumed.

While a listener is there and nothing happens, a comment goes out every `HEARTBEAT` seconds, so that
both sides learn of a broken connection. A listener that takes nothing for `TOO_SLOW` seconds is
disconnected, never skipped: it comes back with the last id it has seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from domus.model.errors import DomusError, Internal

log = logging.getLogger(__name__)

T = TypeVar("T")

HEARTBEAT: Final = 15.0
TOO_SLOW: Final = 20.0


def message(item: object, *, id: int | None = None, event: str = "") -> bytes:
    """One message of a stream; JSON has no line breaks of its own."""
    head = (f"id: {id}\n" if id is not None else "") + (f"event: {event}\n" if event else "")
    return head.encode() + b"data: " + msgspec.json.encode(item) + b"\n\n"


class EventStream(Generic[T]):
    """An answer that lasts as long as its items, its listener, or xend.

    An error raised by the items before the first one is an ordinary answer; one raised later is the
    stream's last message, of type "problem".
    """

    def __init__(
        self, items: AsyncIterator[T], encode: Callable[[T], bytes], *, stopping: asyncio.Future[None]
    ) -> None:
        self._items = items
        self._encode = encode
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream."""
        gone = asyncio.create_task(_until_gone(receive))
        following = self._follow()
        try:
            await asyncio.wait({following}, timeout=0)
            if following.done() and isinstance(error := following.exception(), DomusError):
                raise error
            await send(_HEAD)
            while True:
                ends: set[asyncio.Future[Any]] = {gone, following, self._stopping}
                await asyncio.wait(ends, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if gone.done() or self._stopping.done():
                    break
                piece, more = self._piece(following)
                if following.done() and more:
                    following = self._follow()
                if piece and not await _sent(send, piece):
                    log.warning("%s listened too slowly to %s", scope["state"].get("who"), scope["path"])
                    scope["state"]["abort"]()
                    return
                if not more:
                    break
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await _end(gone)
            await _end(following)
            if isinstance(self._items, AsyncGenerator):
                await self._items.aclose()

    def _follow(self) -> asyncio.Task[T]:
        return asyncio.create_task(_next(self._items))

    def _piece(self, following: asyncio.Task[T]) -> tuple[bytes, bool]:
        """What is to be sent now, and whether anything can follow it."""
        if not following.done():
            return b":\n\n", True
        try:
            return self._encode(following.result()), True
        except StopAsyncIteration:
            return b"", False
        except DomusError as error:
            return message(error.problem(), event="problem"), False
        except Exception:
            log.exception("a stream of events broke")
            return message(Internal("xend made a mistake").problem(), event="problem"), False


_HEAD: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")],
}


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _sent(send: Send, piece: bytes) -> bool:
    """Send a piece; False when the listener did not make room for it in time."""
    try:
        async with asyncio.timeout(TOO_SLOW):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        return False
    return True


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
