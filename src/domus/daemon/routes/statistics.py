"""What the domains use."""

from __future__ import annotations

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import LibxlError
from domus.model.statistics import Statistics


async def statistics(call: Call) -> Statistics:
    """All domains at one moment."""
    return await call.xend.domains.statistics.now()


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/statistics",
        statistics,
        "What all domains have used so far: CPU time, memory, traffic, disk requests. Counters only grow.",
        answer=Statistics,
        errors=(LibxlError,),
    ),
)
