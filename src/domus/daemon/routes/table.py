"""The whole API as one table, and the application made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Final

from starlette.routing import Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from domus.daemon.door import Door
from domus.daemon.routes import (
    blobs,
    console,
    cpupools,
    debugging,
    devices,
    domains,
    events,
    host,
    managed,
    memory,
    migration,
    operations,
    passthrough,
    root,
    saving,
    scheduling,
    statistics,
    vcpus,
)
from domus.daemon.routes.endpoint import Endpoint, Resource
from domus.daemon.xend import Xend

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *root.ENDPOINTS,
    *host.ENDPOINTS,
    *domains.ENDPOINTS,
    *managed.ENDPOINTS,
    *devices.ENDPOINTS,
    *memory.ENDPOINTS,
    *vcpus.ENDPOINTS,
    *scheduling.ENDPOINTS,
    *cpupools.ENDPOINTS,
    *debugging.ENDPOINTS,
    *passthrough.ENDPOINTS,
    *console.ENDPOINTS,
    *saving.ENDPOINTS,
    *migration.ENDPOINTS,
    *operations.ENDPOINTS,
    *events.ENDPOINTS,
    *blobs.ENDPOINTS,
    *statistics.ENDPOINTS,
)


def application(xend: Xend) -> Door:
    """The API of one xend, as the listeners serve it."""
    by_path = sorted(ENDPOINTS, key=lambda row: row.path)
    routes = [
        Route(path, Resource(xend, list(rows))) for path, rows in groupby(by_path, key=lambda r: r.path)
    ]
    return Door(Router([*routes, WebSocketRoute(console.PATH, _console(xend))], redirect_slashes=False))


def _console(xend: Xend) -> Callable[[WebSocket], Awaitable[None]]:
    async def serve(socket: WebSocket) -> None:
        await console.serve(xend, socket)

    return serve
