"""Schedulers and their parameters."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import Busy, DomainNotFound, LibxlError, NotFound, WrongState
from domus.model.scheduling import PoolScheduling, PoolSchedulingRequest, SchedulingRequest


async def table(call: Call) -> list[PoolScheduling]:
    """All cpupools with their domains."""
    return await call.xend.domains.scheduling.table()


async def set_domain(call: Call) -> None:
    """Change parameters of a domain."""
    wanted = await call.body(SchedulingRequest)
    await call.xend.domains.scheduling.set_domain(call.path("ref"), wanted, who=call.who)


async def set_pool(call: Call) -> None:
    """Change parameters of a cpupool."""
    wanted = await call.body(PoolSchedulingRequest)
    await call.xend.domains.scheduling.set_pool(call.path("pool"), wanted, who=call.who)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/scheduling",
        table,
        "The scheduler of each cpupool, its parameters, and those of the cpupool's domains.",
        answer=list[PoolScheduling],
        errors=(LibxlError,),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/scheduling",
        set_domain,
        "Change parameters that the scheduler has for a domain.",
        body=SchedulingRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=(DomainNotFound, WrongState, Busy, LibxlError),
    ),
    Endpoint(
        "POST",
        "/v1/cpupools/{pool}/scheduling",
        set_pool,
        "Change parameters that the scheduler has for a cpupool.",
        body=PoolSchedulingRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=(NotFound, WrongState, LibxlError),
    ),
)
