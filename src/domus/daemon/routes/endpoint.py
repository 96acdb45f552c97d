"""A row of the API: method, path, what it takes and gives, and the function that does it.

Router and OpenAPI document are both made from these rows, so neither can know more than the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from domus.daemon.errors import NoSuchMethod, TooLarge, problem_response
from domus.daemon.xend import Xend
from domus.model.errors import BadInput, DomusError

T = TypeVar("T")

#: bytes of a JSON body
JSON_LIMIT: Final = 64 << 10

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
EVENTS: Final = "text/event-stream"
BYTES: Final = "application/octet-stream"

_FLAGS: Final = {"1": True, "true": True, "yes": True, "": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class Query:
    """A parameter after the question mark."""

    name: str
    kind: type[bool] | type[int]
    what: str


@dataclass(frozen=True)
class Call:
    """One request, as a row's function sees it."""

    xend: Xend
    request: Request
    endpoint: Endpoint

    @property
    def who(self) -> str:
        """Who is calling, such as "uid:0" or "cn:laptop"."""
        return str(self.request.state.who)

    def path(self, name: str) -> str:
        """A part of the path, such as a domain's name."""
        return str(self.request.path_params[name])

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A yes-or-no of the query."""
        return flag_in(self.request.query_params, name, default=default)

    def number(self, name: str) -> int | None:
        """A number of the query, None when it is not there."""
        text = self.request.query_params.get(name)
        return None if text is None else number(text, name)

    async def body(self, kind: type[T], limit: int = JSON_LIMIT) -> T:
        """The JSON body.

        Raises:
            BadInput: it is none, or not of that kind; names the field.
            TooLarge: it has more than `limit` bytes.
        """
        declared = self.request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        if declared != JSON:
            raise BadInput(f"the body must be {JSON}, not {declared[:80]}")
        content = bytearray()
        async for piece in self.request.stream():
            content += piece
            if len(content) > limit:
                raise TooLarge(f"a body above {limit} bytes")
        return parsed(bytes(content) or b"{}", kind)


@dataclass(frozen=True)
class Endpoint:
    """One row of the API."""

    method: str
    path: str
    run: Callable[[Call], Awaitable[object]] | None  #: None: a WebSocket, served beside the rows
    what: str  #: one sentence
    answer: Any = None  #: type of the answer's body; None: it has none
    status: HTTPStatus = HTTPStatus.OK
    media: str = JSON  #: of the answer
    body: Any = None  #: type of the request's body, or `bytes`
    query: tuple[Query, ...] = ()
    errors: tuple[type[DomusError], ...] = ()  #: beside those that every row has

    async def __call__(self, xend: Xend, request: Request) -> ASGIApp:
        """Do it; what comes back is an ASGI application that sends the answer."""
        if self.run is None:
            raise TypeError(f"{self.path} is a WebSocket")
        result = await self.run(Call(xend, request, self))
        if callable(result):
            return result
        if result is None:
            return Response(status_code=self.status)
        return Response(msgspec.json.encode(result), status_code=self.status, media_type=JSON)


class Resource:
    """All methods of one path, as an ASGI application."""

    def __init__(self, xend: Xend, endpoints: Sequence[Endpoint]) -> None:
        self._xend = xend
        self._by_method: Mapping[str, Endpoint] = {each.method: each for each in endpoints}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._by_method.get(scope["method"])
        if endpoint is None:
            allowed = ", ".join(sorted(self._by_method))
            answer: ASGIApp = problem_response(
                NoSuchMethod(f"this path takes {allowed}, not {scope['method']}"), headers={"Allow": allowed}
            )
        else:
            answer = await endpoint(self._xend, Request(scope, receive))
        await answer(scope, receive, send)


def parsed(content: bytes, kind: type[T]) -> T:
    """JSON as `kind`.

    Raises:
        BadInput: where says the field, such as "config.memory_mib".
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        raise BadInput(_lower(what), where=path.rstrip("`").removeprefix(".") or "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"this is not JSON: {error}", where="body") from None


def number(text: str, name: str) -> int:
    """A whole number of a query or header."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadInput(f"invalid number {text[:40]!r}", where=name)
    return int(text)


def flag_in(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A yes-or-no of a query."""
    text = query.get(name)
    if text is None:
        return default
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise BadInput(f"invalid value {text[:40]!r}", where=name, hint="1 or 0") from None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
