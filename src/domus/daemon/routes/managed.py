"""Managed domains. {ref} is a name, an id or a uuid, looked up in this order."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import (
    AlreadyExists,
    BadInput,
    Busy,
    Conflict,
    DomainNotFound,
    Forbidden,
    NotFound,
    WrongState,
)
from domus.model.managed import (
    AutostartRequest,
    ConfigureRequest,
    DefineRequest,
    Difference,
    Export,
    Imported,
    ImportRequest,
    ManagedDomain,
    RenameRequest,
    RevertRequest,
    Revision,
    StartRequest,
)
from domus.model.operation import Operation


async def list_managed(call: Call) -> list[ManagedDomain]:
    """All of them."""
    return call.xend.domains.managed.list()


async def get(call: Call) -> ManagedDomain:
    """One of them."""
    return await call.xend.domains.managed.get(call.path("ref"))


async def define(call: Call) -> ManagedDomain:
    """Keep a configuration."""
    wanted = await call.body(DefineRequest)
    return await call.xend.domains.managed.define(wanted.config, who=call.who)


async def delete(call: Call) -> None:
    """Forget one."""
    await call.xend.domains.managed.delete(call.path("ref"), who=call.who)


async def start(call: Call) -> Operation:
    """Begin to build one."""
    wanted = await call.body(StartRequest)
    return await call.xend.domains.managed.start(call.path("ref"), paused=wanted.paused, who=call.who)


async def rename(call: Call) -> Operation:
    """Begin to rename a domain."""
    wanted = await call.body(RenameRequest)
    return await call.xend.domains.managed.rename(call.path("ref"), wanted.name, who=call.who)


async def adopt(call: Call) -> Operation:
    """Begin to take a running domain under management."""
    return await call.xend.domains.adoption.adopt(call.path("ref"), who=call.who)


async def configure(call: Call) -> ManagedDomain:
    """Keep another configuration."""
    wanted = await call.body(ConfigureRequest)
    return await call.xend.domains.managed.configure(
        call.path("ref"), wanted.config, base=wanted.base, who=call.who, what=wanted.what[:80]
    )


async def set_autostart(call: Call) -> ManagedDomain:
    """Say whether and when one is started by xend."""
    wanted = await call.body(AutostartRequest)
    return await call.xend.domains.managed.set_autostart(call.path("ref"), wanted, who=call.who)


async def start_all(call: Call) -> Operation:
    """Begin to start what starts with the host."""
    return await call.xend.domains.autostart.start_all(who=call.who)


async def stop_all(call: Call) -> Operation:
    """Begin to end the host's domains."""
    return await call.xend.domains.hoststop.stop_all(who=call.who)


async def export(call: Call) -> Export:
    """Everything that is managed."""
    return await call.xend.domains.transfer.export()


async def take_in(call: Call) -> Imported:
    """Keep everything of an export."""
    wanted = await call.body(ImportRequest, limit=_IMPORT_LIMIT)
    return await call.xend.domains.transfer.take_in(wanted.export, wanted.clash, who=call.who)


async def revert(call: Call) -> ManagedDomain:
    """Keep a former configuration again."""
    wanted = await call.body(RevertRequest)
    return await call.xend.domains.managed.revert(call.path("ref"), wanted.revision, who=call.who)


async def history(call: Call) -> list[Revision]:
    """What was kept."""
    return await call.xend.domains.managed.history(call.path("ref"))


async def differences(call: Call) -> list[Difference]:
    """What a running one is not."""
    return await call.xend.domains.managed.differences(call.path("ref"))


#: bytes of an export
_IMPORT_LIMIT = 64 << 20

_KNOWN = (DomainNotFound, WrongState)
_PATH = "/v1/managed/{ref}"

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/managed",
        list_managed,
        "All managed domains with their configurations, sorted by name.",
        answer=list[ManagedDomain],
    ),
    Endpoint(
        "POST",
        "/v1/managed",
        define,
        "Keep a configuration from now on; with the uuid of a managed domain, instead of its former one.",
        body=DefineRequest,
        answer=ManagedDomain,
        errors=(AlreadyExists, Busy, NotFound),
    ),
    Endpoint("GET", _PATH, get, "What is kept of a domain.", answer=ManagedDomain, errors=_KNOWN),
    Endpoint(
        "DELETE",
        _PATH,
        delete,
        "Forget a managed domain, which must not run, and its history.",
        status=HTTPStatus.NO_CONTENT,
        errors=(*_KNOWN, Busy),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/start",
        start,
        "Build a managed domain and start it. The operation goes on after the answer.",
        body=StartRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(*_KNOWN, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/rename",
        rename,
        "Give a domain another name, managed or not, running or not. The operation goes on after the answer.",
        body=RenameRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, AlreadyExists, Forbidden, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/adopt",
        adopt,
        "Take a running domain under management, whoever made it. The operation goes on after the answer.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(*_KNOWN, BadInput, Forbidden, Busy),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/config",
        configure,
        "Keep another configuration of a domain; one that runs has it from its next start on.",
        body=ConfigureRequest,
        answer=ManagedDomain,
        errors=(*_KNOWN, BadInput, Conflict, Busy),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/revert",
        revert,
        "Keep a former configuration again, as a new revision.",
        body=RevertRequest,
        answer=ManagedDomain,
        errors=(*_KNOWN, NotFound, Busy),
    ),
    Endpoint(
        "GET",
        f"{_PATH}/history",
        history,
        "Every configuration that was kept of a domain, the oldest first.",
        answer=list[Revision],
        errors=_KNOWN,
    ),
    Endpoint(
        "GET",
        f"{_PATH}/differences",
        differences,
        "Where a running domain is not what its kept configuration says.",
        answer=list[Difference],
        errors=_KNOWN,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/autostart",
        set_autostart,
        "Say whether xend starts a managed domain by itself, and when among the others.",
        body=AutostartRequest,
        answer=ManagedDomain,
        errors=(*_KNOWN, BadInput, Busy),
    ),
    Endpoint("GET", "/v1/export", export, "All managed domains with their histories.", answer=Export),
    Endpoint(
        "POST",
        "/v1/import",
        take_in,
        "Keep all domains of an export, or none.",
        body=ImportRequest,
        answer=Imported,
        errors=(BadInput, AlreadyExists, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/autostart/start",
        start_all,
        "Start what starts with the host and does not run. The operation goes on after the answer.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
    ),
    Endpoint(
        "POST",
        "/v1/autostart/stop",
        stop_all,
        "End the domains as on_xend_stop and /etc/default/xendomains say. The operation goes on.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
    ),
)
