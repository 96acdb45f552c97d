"""VCPUs: listed, pinned, brought online and offline."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import Busy, DomainNotFound, LibxlError, WrongState
from domus.model.vcpus import OnlineRequest, PinRequest, VcpuTable

_ERRORS = (DomainNotFound, WrongState, Busy, LibxlError)


async def everybodys(call: Call) -> VcpuTable:
    """Those of all domains."""
    return await call.xend.domains.vcpus.table()


async def of_domain(call: Call) -> VcpuTable:
    """Those of one domain."""
    return await call.xend.domains.vcpus.table([call.path("ref")])


async def set_online(call: Call) -> None:
    """Bring some online and the others offline."""
    wanted = await call.body(OnlineRequest)
    await call.xend.domains.vcpus.set_online(
        call.path("ref"), wanted.online, persist=wanted.persist, who=call.who
    )


async def pin(call: Call) -> None:
    """Say where they may run."""
    await call.xend.domains.vcpus.pin(call.path("ref"), await call.body(PinRequest), who=call.who)


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/vcpus", everybodys, "The VCPUs of all domains.", answer=VcpuTable, errors=(LibxlError,)
    ),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/vcpus",
        of_domain,
        "The VCPUs of one domain.",
        answer=VcpuTable,
        errors=(DomainNotFound, LibxlError),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/vcpus",
        set_online,
        "Set how many of a domain's VCPUs shall be online; answered when the guest has been asked.",
        body=OnlineRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=_ERRORS,
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/vcpus/pin",
        pin,
        "Say on which CPUs of the host VCPUs may run, and on which they prefer to.",
        body=PinRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=_ERRORS,
    ),
)
