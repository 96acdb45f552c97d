"""Shares of caches and memory bandwidth (Intel's resource director)."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import BadInput, DomainNotFound, HostProblem, LibxlError, WrongState
from domus.model.psr import Measured, MeasureRequest, PsrHardware, PsrShare, PsrUse, Shared, ShareRequest

Word = TypeVar("Word", bound=StrEnum)


async def hardware(call: Call) -> PsrHardware:
    """What there is."""
    return await call.xend.domains.psr.hardware()


async def everybodys_use(call: Call) -> list[PsrUse]:
    """Of all measured domains."""
    return await call.xend.domains.psr.uses(_word(call, Measured))


async def use(call: Call) -> list[PsrUse]:
    """Of one."""
    return await call.xend.domains.psr.uses(_word(call, Measured), call.path("ref"))


async def everybodys_share(call: Call) -> list[PsrShare]:
    """Of all domains."""
    return await call.xend.domains.psr.shares(_word(call, Shared))


async def share(call: Call) -> list[PsrShare]:
    """Of one."""
    return await call.xend.domains.psr.shares(_word(call, Shared), call.path("ref"))


async def measure(call: Call) -> None:
    """Begin or end."""
    wanted = await call.body(MeasureRequest)
    await call.xend.domains.psr.measure(call.path("ref"), on=wanted.on)


async def set_share(call: Call) -> None:
    """From now on."""
    wanted = await call.body(ShareRequest)
    await call.xend.domains.psr.share(call.path("ref"), wanted.of, wanted.value, wanted.sockets)


def _word(call: Call, kind: type[Word]) -> Word:
    text = call.path("kind")
    try:
        return kind(text)
    except ValueError:
        raise BadInput(f"unknown kind {text[:40]!r}", hint=f"one of {', '.join(kind)}") from None


_ERRORS = (BadInput, DomainNotFound, WrongState, HostProblem, LibxlError)

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/host/psr",
        hardware,
        "What the host's CPUs can do to measure and share out caches and memory bandwidth.",
        answer=PsrHardware,
        errors=(LibxlError,),
    ),
    Endpoint(
        "GET",
        "/v1/host/psr/uses/{kind}",
        everybodys_use,
        "What the measured domains use of it.",
        answer=list[PsrUse],
        errors=_ERRORS,
    ),
    Endpoint(
        "GET",
        "/v1/host/psr/shares/{kind}",
        everybodys_share,
        "What domains may use of it.",
        answer=list[PsrShare],
        errors=_ERRORS,
    ),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/psr/uses/{kind}",
        use,
        "What a domain uses of it.",
        answer=list[PsrUse],
        errors=_ERRORS,
    ),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/psr/shares/{kind}",
        share,
        "What a domain may use of it.",
        answer=list[PsrShare],
        errors=_ERRORS,
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/psr/measuring",
        measure,
        "Begin to measure a domain's use, or end that.",
        body=MeasureRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=_ERRORS,
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/psr/share",
        set_share,
        "Set what a domain may use of a cache, or of the memory bandwidth.",
        body=ShareRequest,
        status=HTTPStatus.NO_CONTENT,
        errors=_ERRORS,
    ),
)
