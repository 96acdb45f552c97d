"""Where errors meet HTTP: one table, the most specific class wins."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from domus.model.errors import (
    BadInput,
    Cancelled,
    Conflict,
    DomusError,
    Forbidden,
    Gone,
    HostProblem,
    Internal,
    NoCapacity,
    NotFound,
    OutcomeUnknown,
    Unreachable,
)

PROBLEM_TYPE: Final = "application/problem+json"


class TooLarge(BadInput):
    """The request has more bytes than this path takes."""


class NoSuchMethod(BadInput):
    """The path is there, but not for this method."""


class UpgradeNeeded(BadInput):
    """A path that only speaks WebSocket."""


HTTP_STATUS: Final[Mapping[type[DomusError], HTTPStatus]] = {
    DomusError: HTTPStatus.INTERNAL_SERVER_ERROR,
    BadInput: HTTPStatus.BAD_REQUEST,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NoSuchMethod: HTTPStatus.METHOD_NOT_ALLOWED,
    UpgradeNeeded: HTTPStatus.UPGRADE_REQUIRED,
    Gone: HTTPStatus.GONE,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    NoCapacity: HTTPStatus.INSUFFICIENT_STORAGE,
    Forbidden: HTTPStatus.FORBIDDEN,
    HostProblem: HTTPStatus.BAD_GATEWAY,
    Unreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    OutcomeUnknown: HTTPStatus.GATEWAY_TIMEOUT,
    Cancelled: HTTPStatus.CONFLICT,
    Internal: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(kind: type[DomusError]) -> HTTPStatus:
    """The status for an error of class `kind`."""
    return next(HTTP_STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in HTTP_STATUS)


def problem_response(error: DomusError, *, headers: Mapping[str, str] | None = None) -> Response:
    """`error` as an answer. The header Domus-Problem repeats its type, since HEAD has no body."""
    return Response(
        msgspec.json.encode(error.problem()),
        status_code=status_of(type(error)),
        headers={"Domus-Problem": error.code, "Cache-Control": "no-store", **(headers or {})},
        media_type=PROBLEM_TYPE,
    )
