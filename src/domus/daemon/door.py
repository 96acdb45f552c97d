"""Every request passes here: what goes wrong becomes one answer, and each gets its line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domus.daemon.errors import NoSuchMethod, problem_response
from domus.model.errors import BadInput, DomusError, Forbidden, Internal, NotFound

log = logging.getLogger(__name__)

_QUIET: Final = frozenset({"GET", "HEAD"})


class Door:
    """The application as the listeners see it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        began = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        scope["app"] = self  # Starlette's router then raises HTTPException instead of answering in text
        try:
            refuse_other_sites(scope)
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            status = status or 499  # nginx's number for it; it goes into the log only
        except Exception as error:
            await self._answer(error, scope, receive, noting, begun=status != 0)
        finally:
            _log(scope, status, time.perf_counter() - began)

    async def _answer(
        self, error: Exception, scope: Scope, receive: Receive, send: Send, *, begun: bool
    ) -> None:
        told, headers = translated(error)
        if isinstance(told, Internal):
            log.error("%s %s failed", _method(scope), _path(scope), exc_info=error)
        if begun:
            scope["state"]["abort"]()  # half an answer must not look like a whole one
            return
        response = problem_response(told, headers=headers)
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
        await response(scope, receive, send)


def translated(error: Exception) -> tuple[DomusError, Mapping[str, str]]:
    """The error that the caller is told, and headers that belong to it."""
    if isinstance(error, DomusError):
        return error, {}
    if isinstance(error, HTTPException):
        headers = error.headers or {}
        if error.status_code == 404:
            return NotFound("no such path", hint="GET /openapi.json lists them"), headers
        if error.status_code == 405:
            return NoSuchMethod(f"this path takes {headers.get('Allow', 'other methods')}"), headers
        return BadInput(error.detail), headers
    return Internal("xend made a mistake", hint="its log has the traceback: xm log"), {}


def refuse_other_sites(scope: Scope) -> None:
    """A browser that holds a certificate for us must not be steered here by another site's page.

    Raises:
        Forbidden: the request's Origin is not the host it was sent to.
    """
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is not None and urlsplit(origin).netloc != headers.get(b"host"):
        raise Forbidden("a page of another site may not call xend")


def _log(scope: Scope, status: int, seconds: float) -> None:
    # Reading is what dashboards do every second: it is logged when it fails, or with --log-level debug.
    quiet = scope.get("method") in _QUIET and status < 400
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        "%s %s %s %d %.1f ms",
        scope["state"].get("who", "unknown"),
        _method(scope),
        _path(scope),
        status,
        seconds * 1000,
    )


def _method(scope: Scope) -> str:
    return str(scope.get("method", "WEBSOCKET"))


def _path(scope: Scope) -> str:
    raw = scope.get("raw_path") or scope["path"].encode()
    return ascii(raw.decode("latin-1"))[1:-1][:200]  # as it was sent: still quoted, nothing to break a line
