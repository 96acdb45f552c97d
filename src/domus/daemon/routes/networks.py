"""Named networks of the host."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import (
    AlreadyExists,
    Busy,
    Conflict,
    DomainNotFound,
    InUse,
    NotFound,
    ProgramFailed,
    WrongState,
)
from domus.model.networks import CheckedStep, Network, NetworkAutostart, NetworkInfo


async def list_networks(call: Call) -> list[NetworkInfo]:
    """All of them."""
    return await call.xend.domains.networks.list()


async def get(call: Call) -> NetworkInfo:
    """One of them."""
    return await call.xend.domains.networks.get(call.path("name"))


async def define(call: Call) -> NetworkInfo:
    """Define one."""
    return await call.xend.domains.networks.define(await call.body(Network), who=call.who)


async def change(call: Call) -> NetworkInfo:
    """Change one."""
    return await call.xend.domains.networks.change(await call.body(Network), who=call.who)


async def undefine(call: Call) -> None:
    """Forget one."""
    await call.xend.domains.networks.undefine(call.path("name"))


async def start(call: Call) -> NetworkInfo:
    """Start one."""
    return await call.xend.domains.networks.start(call.path("name"), who=call.who)


async def stop(call: Call) -> NetworkInfo:
    """Stop one."""
    return await call.xend.domains.networks.stop(call.path("name"), who=call.who)


async def autostart(call: Call) -> NetworkInfo:
    """Say whether it starts with xend."""
    wanted = await call.body(NetworkAutostart)
    return await call.xend.domains.networks.autostart(call.path("name"), wanted.autostart)


async def check(call: Call) -> list[CheckedStep]:
    """Follow packets."""
    return await call.xend.domains.network_check.host()


async def check_domain(call: Call) -> list[CheckedStep]:
    """Follow the packets of one domain."""
    return await call.xend.domains.network_check.domain(call.path("ref"))


_CHANGING = (NotFound, Busy, Conflict, ProgramFailed)

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/host/network-check",
        check,
        "Where packets of guests stop, and where they pass.",
        answer=list[CheckedStep],
    ),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/network-check",
        check_domain,
        "Where packets of one domain stop, and where they pass.",
        answer=list[CheckedStep],
        errors=(DomainNotFound, WrongState),
    ),
    Endpoint(
        "GET", "/v1/networks", list_networks, "The named networks of the host.", answer=list[NetworkInfo]
    ),
    Endpoint(
        "POST",
        "/v1/networks",
        define,
        "Define a network, without starting it.",
        body=Network,
        answer=NetworkInfo,
        errors=(AlreadyExists,),
    ),
    Endpoint("GET", "/v1/networks/{name}", get, "One network.", answer=NetworkInfo, errors=(NotFound,)),
    Endpoint(
        "PUT",
        "/v1/networks/{name}",
        change,
        "Change the definition of a network that is not active; its name is in the body.",
        body=Network,
        answer=NetworkInfo,
        errors=(NotFound, WrongState, AlreadyExists, *_CHANGING),
    ),
    Endpoint(
        "DELETE",
        "/v1/networks/{name}",
        undefine,
        "Forget a network that is not active.",
        status=HTTPStatus.NO_CONTENT,
        errors=(NotFound, WrongState, InUse),
    ),
    Endpoint(
        "POST",
        "/v1/networks/{name}/start",
        start,
        "Make its bridge and let its DHCP and DNS server run.",
        answer=NetworkInfo,
        errors=_CHANGING,
    ),
    Endpoint(
        "POST",
        "/v1/networks/{name}/stop",
        stop,
        "Take it out of domain 0; refused while there are cards in it.",
        answer=NetworkInfo,
        errors=(*_CHANGING, InUse, WrongState),
    ),
    Endpoint(
        "PUT",
        "/v1/networks/{name}/autostart",
        autostart,
        "Start it with xend from now on, or do not.",
        body=NetworkAutostart,
        answer=NetworkInfo,
        errors=(NotFound,),
    ),
)
