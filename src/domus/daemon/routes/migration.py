"""Domains on their way to other hosts. {ref} is a name, an id or a uuid; {id} is the same on both hosts."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from domus.daemon.routes.endpoint import Call, Endpoint, Query
from domus.daemon.routes.endpoint import number as whole_number
from domus.model.errors import BadInput, Busy, Conflict, DomainNotFound, Forbidden, NotFound, WrongState
from domus.model.migration import (
    Answer,
    Check,
    DecideRequest,
    Digests,
    MigrateRequest,
    Move,
    Offer,
    ReplicateRequest,
)
from domus.model.operation import Operation

#: bytes of an offer: a managed domain comes with all its former configurations
_OFFER_LIMIT: Final = 16 << 20


async def migrate(call: Call) -> Operation:
    """Begin to move one."""
    wanted = await call.body(MigrateRequest)
    return await call.xend.domains.migration.sending.migrate(call.path("ref"), wanted, who=call.who)


async def replicate(call: Call) -> Operation:
    """Begin to keep one on another host."""
    wanted = await call.body(ReplicateRequest)
    return await call.xend.domains.migration.replicating.replicate(call.path("ref"), wanted, who=call.who)


async def check(call: Call) -> Check:
    """Look whether one could be moved."""
    wanted = await call.body(MigrateRequest)
    return await call.xend.domains.migration.sending.check(call.path("ref"), wanted)


async def cancel(call: Call) -> Operation:
    """Stop a move from here."""
    return call.xend.domains.migration.cancel(call.path("ref"))


async def decide(call: Call) -> Move:
    """Take a person's word."""
    wanted = await call.body(DecideRequest)
    return await call.xend.domains.migration.settling.decide(call.path("ref"), wanted.side, who=call.who)


async def list_moves(call: Call) -> list[Move]:
    """Those that are remembered."""
    return call.xend.domains.migration.list()


async def offer(call: Call) -> Answer:
    """Hear what another host has."""
    offered = await call.body(Offer, limit=_OFFER_LIMIT)
    client = call.request.client
    address = client.host if client is not None else ""
    return await call.xend.domains.migration.receiving.offered(offered, who=call.who, address=address)


async def digests(call: Call) -> Digests:
    """What is in a copied disk's place."""
    receiving = call.xend.domains.migration.receiving
    number = whole_number(call.path("number"), "number")
    found = await receiving.digests(call.path("id"), number, call.number("first") or 0, who=call.who)
    return Digests(digests=found)


async def stream(call: Call) -> Move:
    """Take one in."""
    receiving = call.xend.domains.migration.receiving
    return await receiving.receive(call.path("id"), call.request.stream(), who=call.who)


async def look(call: Call) -> Move:
    """One of them."""
    return call.xend.domains.migration.receiving.move(call.path("id"))


async def commit(call: Call) -> Move:
    """Let it run here."""
    return await call.xend.domains.migration.settling.commit(call.path("id"), who=call.who)


async def abort(call: Call) -> Move:
    """Do without it."""
    return await call.xend.domains.migration.settling.abort(call.path("id"), who=call.who)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/domains/{ref}/migrate",
        migrate,
        "Move a domain to another host. The operation goes on after the answer.",
        body=MigrateRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/migrate/check",
        check,
        "What would make a move fail, on both hosts; nothing is changed.",
        body=MigrateRequest,
        answer=Check,
        errors=(DomainNotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/migrate/cancel",
        cancel,
        "Stop a move from here, or a replication, unless the other host has the domain, or may have it.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(NotFound, Conflict),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/migrate/decide",
        decide,
        "Say where a domain is that waits, paused, for the word of a host that does not answer.",
        body=DecideRequest,
        answer=Move,
        errors=(NotFound, Conflict),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/replicate",
        replicate,
        "Keep a copy of a domain on another host, checkpoint by checkpoint, until a host is lost.",
        body=ReplicateRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, WrongState, Busy, BadInput),
    ),
    Endpoint("GET", "/v1/migrations", list_moves, "The moves that this host remembers.", answer=list[Move]),
    Endpoint(
        "POST",
        "/v1/migrations",
        offer,
        "From host to host: does it take this domain? Without problems it expects the stream now.",
        body=Offer,
        answer=Answer,
        errors=(Busy, BadInput, Forbidden),
    ),
    Endpoint(
        "GET",
        "/v1/migrations/{id}",
        look,
        "How a move stands on this host.",
        answer=Move,
        errors=(NotFound,),
    ),
    Endpoint(
        "GET",
        "/v1/migrations/{id}/disks/{number}",
        digests,
        "From host to host: digests of what is in the place of a disk that will be copied.",
        query=(Query("first", int, "the number of the first chunk"),),
        answer=Digests,
        errors=(NotFound,),
    ),
    Endpoint(
        "POST",
        "/v1/migrations/{id}/stream",
        stream,
        "From host to host: libxl's stream, in frames. Answered when the domain is built, and paused.",
        body=bytes,
        answer=Move,
        errors=(NotFound, Conflict),
    ),
    Endpoint(
        "POST",
        "/v1/migrations/{id}/commit",
        commit,
        "From host to host: the domain may run. The stage in the answer is final.",
        answer=Move,
        errors=(NotFound, Forbidden),
    ),
    Endpoint(
        "POST",
        "/v1/migrations/{id}/abort",
        abort,
        "From host to host: the domain does not come. The stage in the answer is final.",
        answer=Move,
        errors=(NotFound, Forbidden),
    ),
)
