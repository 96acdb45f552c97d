"""Memory of domains."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import Busy, DomainNotFound, LibxlError, NoCapacity, WrongState
from domus.model.memory import MemoryRequest, MemoryUse


async def set_memory(call: Call) -> None:
    """Set target, limit, or both."""
    await call.xend.domains.memory.set(call.path("ref"), await call.body(MemoryRequest), who=call.who)


async def use(call: Call) -> list[MemoryUse]:
    """Who shares and claims how much."""
    return await call.xend.domains.memory.use()


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/domains/{ref}/memory",
        set_memory,
        "Set how much memory a domain shall have, and may have; answered when the guest has been asked.",
        body=MemoryRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=(DomainNotFound, WrongState, Busy, NoCapacity, LibxlError),
    ),
    Endpoint(
        "GET",
        "/v1/memory",
        use,
        "Memory that domains own, share and have claimed.",
        answer=list[MemoryUse],
        errors=(LibxlError,),
    ),
)
