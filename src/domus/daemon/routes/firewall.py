"""Firewalls of domains and named networks."""

from __future__ import annotations

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import Busy, Conflict, DomainNotFound, HostProblem, NotFound, WrongState
from domus.model.firewall import Firewall, FirewallInfo


async def list_all(call: Call) -> list[FirewallInfo]:
    """Those that have rules."""
    return await call.xend.domains.filtering.list()


async def of_domain(call: Call) -> FirewallInfo:
    """A domain's."""
    return await call.xend.domains.filtering.of_domain(call.path("ref"))


async def of_network(call: Call) -> FirewallInfo:
    """A network's."""
    return await call.xend.domains.filtering.of_network(call.path("name"))


async def change_domain(call: Call) -> FirewallInfo:
    """Other rules for a domain."""
    wanted = await call.body(Firewall)
    return await call.xend.domains.filtering.change(call.path("ref"), wanted, who=call.who)


async def change_network(call: Call) -> FirewallInfo:
    """Other rules for a network."""
    wanted = await call.body(Firewall)
    await call.xend.domains.networks.filter(call.path("name"), wanted, who=call.who)
    return await of_network(call)


_CHANGING = (Busy, Conflict, HostProblem)

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/firewall",
        list_all,
        "The domains and networks whose packets are filtered by rules.",
        answer=list[FirewallInfo],
    ),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/firewall",
        of_domain,
        "The rules of a domain.",
        answer=FirewallInfo,
        errors=(DomainNotFound, WrongState),
    ),
    Endpoint(
        "PUT",
        "/v1/domains/{ref}/firewall",
        change_domain,
        "Filter a domain's packets by other rules, now and at its next starts.",
        body=Firewall,
        answer=FirewallInfo,
        errors=(DomainNotFound, WrongState, *_CHANGING),
    ),
    Endpoint(
        "GET",
        "/v1/networks/{name}/firewall",
        of_network,
        "The rules of a network.",
        answer=FirewallInfo,
        errors=(NotFound,),
    ),
    Endpoint(
        "PUT",
        "/v1/networks/{name}/firewall",
        change_network,
        "Filter the packets of a network's cards by other rules.",
        body=Firewall,
        answer=FirewallInfo,
        errors=(NotFound, *_CHANGING),
    ),
)
