"""Cpupools. {pool} is a number or a name, looked up in this order."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.cpupool import (
    CpupoolCreateRequest,
    CpupoolInfo,
    CpusRequest,
    MoveRequest,
    RenameCpupoolRequest,
)
from domus.model.errors import (
    AlreadyExists,
    Busy,
    Forbidden,
    InUse,
    LibxlError,
    NoCapacity,
    NotFound,
    WrongState,
)


async def list_pools(call: Call) -> list[CpupoolInfo]:
    """All of them."""
    return await call.xend.domains.cpupools.list()


async def get(call: Call) -> CpupoolInfo:
    """One of them."""
    return await call.xend.domains.cpupools.get(call.path("pool"))


async def create(call: Call) -> CpupoolInfo:
    """Make one."""
    wanted = await call.body(CpupoolCreateRequest)
    return await call.xend.domains.cpupools.create(wanted.config, managed=wanted.managed, who=call.who)


async def start(call: Call) -> CpupoolInfo:
    """Make one that is defined."""
    return await call.xend.domains.cpupools.start(call.path("pool"), who=call.who)


async def destroy(call: Call) -> None:
    """Take one out of Xen."""
    await call.xend.domains.cpupools.destroy(call.path("pool"), who=call.who)


async def delete(call: Call) -> None:
    """Forget one."""
    await call.xend.domains.cpupools.delete(call.path("pool"))


async def rename(call: Call) -> None:
    """Give one another name."""
    wanted = await call.body(RenameCpupoolRequest)
    await call.xend.domains.cpupools.rename(call.path("pool"), wanted.name, who=call.who)


async def add_cpus(call: Call) -> None:
    """Put CPUs into one."""
    wanted = await call.body(CpusRequest)
    await call.xend.domains.cpupools.add_cpus(call.path("pool"), wanted.cpus, who=call.who)


async def remove_cpus(call: Call) -> None:
    """Take CPUs out of one."""
    wanted = await call.body(CpusRequest)
    await call.xend.domains.cpupools.remove_cpus(call.path("pool"), wanted.cpus, who=call.who)


async def split(call: Call) -> list[CpupoolInfo]:
    """Make one of each NUMA node."""
    return await call.xend.domains.cpupools.split(who=call.who)


async def move(call: Call) -> None:
    """Move a domain into one."""
    wanted = await call.body(MoveRequest)
    await call.xend.domains.cpupools.move(call.path("ref"), wanted.pool, who=call.who)


_NO_CONTENT = HTTPStatus.NO_CONTENT
_MAKING = (AlreadyExists, InUse, NoCapacity, LibxlError)
_CHANGING = (NotFound, WrongState, Busy, InUse, LibxlError)

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/cpupools",
        list_pools,
        "All cpupools: those that Xen has by number, then those that are only defined.",
        answer=list[CpupoolInfo],
        errors=(LibxlError,),
    ),
    Endpoint(
        "POST",
        "/v1/cpupools",
        create,
        "Make a cpupool, or define a managed one.",
        body=CpupoolCreateRequest,
        answer=CpupoolInfo,
        errors=_MAKING,
    ),
    Endpoint(
        "POST",
        "/v1/host/split-cpupools",
        split,
        "Give each NUMA node a cpupool of its own.",
        answer=list[CpupoolInfo],
        errors=(WrongState, LibxlError),
    ),
    Endpoint("GET", "/v1/cpupools/{pool}", get, "One cpupool.", answer=CpupoolInfo, errors=(NotFound,)),
    Endpoint(
        "POST",
        "/v1/cpupools/{pool}/start",
        start,
        "Make a managed cpupool that is not active.",
        answer=CpupoolInfo,
        errors=(*_CHANGING, NoCapacity),
    ),
    Endpoint(
        "POST",
        "/v1/cpupools/{pool}/destroy",
        destroy,
        "Take a cpupool out of Xen; a managed one stays defined.",
        status=_NO_CONTENT,
        errors=(*_CHANGING, Forbidden),
    ),
    Endpoint(
        "DELETE",
        "/v1/cpupools/{pool}",
        delete,
        "Forget a managed cpupool that is not active.",
        status=_NO_CONTENT,
        errors=(NotFound, WrongState),
    ),
    Endpoint(
        "POST",
        "/v1/cpupools/{pool}/rename",
        rename,
        "Give a cpupool another name.",
        body=RenameCpupoolRequest,
        status=_NO_CONTENT,
        errors=(NotFound, AlreadyExists, LibxlError),
    ),
    Endpoint(
        "POST",
        "/v1/cpupools/{pool}/add-cpus",
        add_cpus,
        "Put free CPUs into a cpupool.",
        body=CpusRequest,
        status=_NO_CONTENT,
        errors=_CHANGING,
    ),
    Endpoint(
        "POST",
        "/v1/cpupools/{pool}/remove-cpus",
        remove_cpus,
        "Take CPUs out of a cpupool; they are free then.",
        body=CpusRequest,
        status=_NO_CONTENT,
        errors=_CHANGING,
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/cpupool",
        move,
        "Move a domain into a cpupool.",
        body=MoveRequest,
        status=_NO_CONTENT,
        errors=(*_CHANGING, Forbidden),
    ),
)
