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
    display,
    domains,
    events,
    firewall,
    host,
    images,
    managed,
    memory,
    migration,
    networks,
    operations,
    passthrough,
    psr,
    quotas,
    root,
    saving,
    scheduling,
    statistics,
    storage,
    vcpus,
    virtual_devices,
)
from domus.daemon.routes.endpoint import Endpoint, Resource
from domus.daemon.xend import Xend

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *root.ENDPOINTS,
    *host.ENDPOINTS,
    *domains.ENDPOINTS,
    *managed.ENDPOINTS,
    *devices.ENDPOINTS,
    *networks.ENDPOINTS,
    *firewall.ENDPOINTS,
    *memory.ENDPOINTS,
    *vcpus.ENDPOINTS,
    *scheduling.ENDPOINTS,
    *cpupools.ENDPOINTS,
    *debugging.ENDPOINTS,
    *passthrough.ENDPOINTS,
    *virtual_devices.ENDPOINTS,
    *psr.ENDPOINTS,
    *quotas.ENDPOINTS,
    *console.ENDPOINTS,
    *display.ENDPOINTS,
    *saving.ENDPOINTS,
    *migration.ENDPOINTS,
    *operations.ENDPOINTS,
    *events.ENDPOINTS,
    *blobs.ENDPOINTS,
    *images.ENDPOINTS,
    *statistics.ENDPOINTS,
    *storage.ENDPOINTS,
)


def application(xend: Xend) -> Door:
    """The API of one xend, as the listeners serve it."""
    by_path = sorted(ENDPOINTS, key=lambda row: row.path)
    routes = [
        Route(path, Resource(xend, list(rows))) for path, rows in groupby(by_path, key=lambda r: r.path)
    ]
    streams = [
        WebSocketRoute(console.PATH, _served(xend, console.serve)),
        WebSocketRoute(display.PATH, _served(xend, display.serve)),
    ]
    return Door(Router([*routes, *streams], redirect_slashes=False))


def _served(
    xend: Xend, stream: Callable[[Xend, WebSocket], Awaitable[None]]
) -> Callable[[WebSocket], Awaitable[None]]:
    async def serve(socket: WebSocket) -> None:
        await stream(xend, socket)

    return serve
