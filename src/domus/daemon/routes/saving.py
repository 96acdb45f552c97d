"""Domains into files of the host and back: save, restore, core dumps; and a reset."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.api import DumpRequest, RestoreRequest, ResumeRequest, SaveRequest
from domus.model.errors import AlreadyExists, Busy, DomainNotFound, NotFound, WrongState
from domus.model.operation import Operation


async def save(call: Call) -> Operation:
    """Begin to save one."""
    wanted = await call.body(SaveRequest)
    return await call.xend.domains.saving.save(
        call.path("ref"),
        wanted.path,
        checkpoint=wanted.checkpoint,
        who=call.who,
        file_format=wanted.format,
    )


async def restore(call: Call) -> Operation:
    """Begin to bring one back."""
    wanted = await call.body(RestoreRequest)
    return await call.xend.domains.saving.restore(wanted.path, paused=wanted.paused, who=call.who)


async def suspend(call: Call) -> Operation:
    """Begin to suspend a managed one."""
    return await call.xend.domains.suspending.suspend(call.path("ref"), who=call.who)


async def resume(call: Call) -> Operation:
    """Begin to resume a managed one."""
    wanted = await call.body(ResumeRequest)
    return await call.xend.domains.suspending.resume(call.path("ref"), paused=wanted.paused, who=call.who)


async def dump_core(call: Call) -> Operation:
    """Begin to dump one."""
    wanted = await call.body(DumpRequest)
    return await call.xend.domains.dumps.dump(call.path("ref"), wanted, who=call.who)


async def reset(call: Call) -> Operation:
    """Begin to build one again."""
    return await call.xend.domains.reset(call.path("ref"), who=call.who)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/domains/{ref}/save",
        save,
        "Write a domain into a file of the host and take it away. The operation goes on after the answer.",
        body=SaveRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, NotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/suspend",
        suspend,
        "Save a managed domain to xend's own disk and stop it. The operation goes on after the answer.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/resume",
        resume,
        "Bring a suspended managed domain back. The operation goes on after the answer.",
        body=ResumeRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/dump-core",
        dump_core,
        "Write a domain's memory into an ELF core file. The operation goes on after the answer.",
        body=DumpRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, NotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/reset",
        reset,
        "Destroy a domain and build it again. The operation goes on after the answer.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, WrongState, Busy),
    ),
    Endpoint(
        "POST",
        "/v1/restore",
        restore,
        "Bring back a domain that save, or xl save, wrote. The operation goes on after the answer.",
        body=RestoreRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(NotFound, AlreadyExists, Busy),
    ),
)
