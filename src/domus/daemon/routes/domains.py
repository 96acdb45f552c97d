"""Domains. {ref} is a name, an id or a uuid, looked up in this order."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.api import CreateRequest, ShutdownRequest
from domus.model.config import DomainConfig
from domus.model.domain import DomainInfo
from domus.model.errors import AlreadyExists, Busy, DomainNotFound, LibxlError, NotFound, WrongState
from domus.model.operation import Operation


async def list_domains(call: Call) -> list[DomainInfo]:
    """All of them."""
    return await call.xend.domains.list()


async def get(call: Call) -> DomainInfo:
    """One of them."""
    return await call.xend.domains.get(call.path("ref"))


async def config(call: Call) -> DomainConfig:
    """Its configuration."""
    return await call.xend.domains.config(call.path("ref"))


async def create(call: Call) -> Operation:
    """Begin to build one."""
    wanted = await call.body(CreateRequest)
    return await call.xend.domains.create(wanted.config, paused=wanted.paused, who=call.who)


async def destroy(call: Call) -> Operation:
    """Begin to take one away."""
    return await call.xend.domains.destroy(call.path("ref"), who=call.who)


async def pause(call: Call) -> None:
    """Stop its VCPUs."""
    await call.xend.domains.acting.pause(call.path("ref"), who=call.who)


async def unpause(call: Call) -> None:
    """Let its VCPUs run."""
    await call.xend.domains.acting.unpause(call.path("ref"), who=call.who)


async def shutdown(call: Call) -> None:
    """Ask the guest to end."""
    wanted = await call.body(ShutdownRequest)
    await call.xend.domains.acting.shutdown(call.path("ref"), wanted.reason, who=call.who)


_NO_CONTENT = HTTPStatus.NO_CONTENT
_ACTION_ERRORS = (DomainNotFound, WrongState, Busy, LibxlError)

ENDPOINTS = (
    Endpoint("GET", "/v1/domains", list_domains, "All domains, sorted by name.", answer=list[DomainInfo]),
    Endpoint(
        "POST",
        "/v1/domains",
        create,
        "Build a domain and start it. The operation goes on after the answer.",
        body=CreateRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(AlreadyExists,),
    ),
    Endpoint("GET", "/v1/domains/{ref}", get, "One domain.", answer=DomainInfo, errors=(DomainNotFound,)),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/config",
        config,
        "The configuration that xend keeps of a domain.",
        answer=DomainConfig,
        errors=(NotFound,),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/destroy",
        destroy,
        "Take a domain away at once. The operation goes on after the answer.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/pause",
        pause,
        "Stop a domain's VCPUs.",
        status=_NO_CONTENT,
        errors=_ACTION_ERRORS,
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/unpause",
        unpause,
        "Let a paused domain's VCPUs run.",
        status=_NO_CONTENT,
        errors=_ACTION_ERRORS,
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/shutdown",
        shutdown,
        "Ask the guest to end; answered when it has been asked.",
        body=ShutdownRequest,
        status=_NO_CONTENT,
        errors=_ACTION_ERRORS,
    ),
)
