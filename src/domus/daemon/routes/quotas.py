"""XenStore's quotas."""

from __future__ import annotations

from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import BadInput, DomainNotFound, HostProblem, WrongState
from domus.model.quotas import Quota, QuotaRequest


async def of_all(call: Call) -> list[Quota]:
    """Of every guest."""
    return await call.xend.domains.quotas.of_all()


async def of(call: Call) -> list[Quota]:
    """Of one."""
    return await call.xend.domains.quotas.of(call.path("ref"))


async def set_all(call: Call) -> None:
    """Of every guest."""
    await call.xend.domains.quotas.set((await call.body(QuotaRequest)).values)


async def set_one(call: Call) -> None:
    """Of one."""
    await call.xend.domains.quotas.set((await call.body(QuotaRequest)).values, call.path("ref"))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/host/xenstore/quotas",
        of_all,
        "What guests may have in XenStore.",
        answer=list[Quota],
        errors=(HostProblem,),
    ),
    Endpoint(
        "POST",
        "/v1/host/xenstore/quotas",
        set_all,
        "Set what guests may have in XenStore, until it is started anew.",
        body=QuotaRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=(BadInput, HostProblem),
    ),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/xenstore/quotas",
        of,
        "What a domain may have in XenStore, and has.",
        answer=list[Quota],
        errors=(DomainNotFound, WrongState, HostProblem),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/xenstore/quotas",
        set_one,
        "Set what a domain may have in XenStore.",
        body=QuotaRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=(BadInput, DomainNotFound, WrongState, HostProblem),
    ),
)
