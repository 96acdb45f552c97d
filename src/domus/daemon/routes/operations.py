"""Operations: long work that goes on after the request that began it."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import EVENTS, Call, Endpoint
from domus.daemon.sse import EventStream, message
from domus.model.errors import Conflict, NotFound
from domus.model.operation import Operation


async def list_operations(call: Call) -> list[Operation]:
    """Those that xend remembers."""
    return call.xend.domains.operations.list()


async def get(call: Call) -> Operation:
    """One of them."""
    return call.xend.domains.operations.get(call.path("id"))


async def cancel(call: Call) -> Operation:
    """Ask one to stop and to undo what it has done."""
    return call.xend.domains.operations.cancel(call.path("id"))


async def follow(call: Call) -> EventStream[Operation]:
    """Snapshots of one until it is over."""
    changes = call.xend.domains.operations.changes(call.path("id"))
    return EventStream(changes, message, stopping=call.xend.stopping)


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/operations", list_operations, "The operations xend remembers.", answer=list[Operation]
    ),
    Endpoint(
        "GET",
        "/v1/operations/{id}",
        get,
        "One operation, as it is now.",
        answer=Operation,
        errors=(NotFound,),
    ),
    Endpoint(
        "DELETE",
        "/v1/operations/{id}",
        cancel,
        "Ask an operation to stop and to undo what it has done.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(NotFound, Conflict),
    ),
    Endpoint(
        "GET",
        "/v1/operations/{id}/events",
        follow,
        "Snapshots of an operation, one per change, the first at once, the last one final.",
        answer=Operation,
        media=EVENTS,
        errors=(NotFound,),
    ),
)
