"""Domains into files of the host and back: save, restore."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.api import RestoreRequest, SaveRequest
from domus.model.errors import AlreadyExists, Busy, DomainNotFound, NotFound, WrongState
from domus.model.operation import Operation


async def save(call: Call) -> Operation:
    """Begin to save one."""
    wanted = await call.body(SaveRequest)
    return await call.xend.domains.saving.save(
        call.path("ref"), wanted.path, checkpoint=wanted.checkpoint, who=call.who
    )


async def restore(call: Call) -> Operation:
    """Begin to bring one back."""
    wanted = await call.body(RestoreRequest)
    return await call.xend.domains.saving.restore(wanted.path, paused=wanted.paused, who=call.who)


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
        "/v1/restore",
        restore,
        "Bring back a domain that save, or xl save, wrote. The operation goes on after the answer.",
        body=RestoreRequest,
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(NotFound, AlreadyExists, Busy),
    ),
)
