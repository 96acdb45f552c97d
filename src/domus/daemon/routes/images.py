"""Images of the host's store, and those that come. {name} may be a snapshot, as `web@before`."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from domus.daemon.errors import TooLarge
from domus.daemon.routes.endpoint import BYTES, Call, Endpoint, number
from domus.domains.migration import acceptance
from domus.domains.migration.acceptance import CERTIFIED
from domus.model.errors import AlreadyExists, Conflict, Forbidden, InUse, NoCapacity, NotFound, WrongState
from domus.model.images import Image
from domus.model.transfers import PIECE_BYTES, ZEROS, ImageEnd, ImageLayout, ImageOffer, Incoming, digest
from domus.storage.images import leaving, places
from domus.storage.images.arriving import Arriving

#: the header that has the SHA-256 of a piece; empty: the piece is zeros, and the body empty, too
SHA256: Final = "domus-sha256"


async def list_images(call: Call) -> list[Image]:
    """All of them."""
    return await asyncio.to_thread(places.store().images)


async def get(call: Call) -> Image:
    """One of them."""
    return await asyncio.to_thread(places.store().image, call.path("name"))


async def layout(call: Call) -> ImageLayout:
    """What there is to fetch of one."""
    return await asyncio.to_thread(lambda: leaving.layout(places.directory().find(call.path("name"))))


async def piece(call: Call) -> Response:
    """Some of its bytes."""
    place = number(call.path("piece"), "piece")
    version = call.request.query_params.get("version", "")

    def read() -> tuple[bytes, str]:
        found = leaving.piece(places.directory().find(call.path("name")), place, version)
        return found, digest(found)

    found, sha256 = await asyncio.to_thread(read)
    if sha256 != ZEROS and call.request.headers.get("if-none-match") == f'"{sha256}"':
        return Response(status_code=HTTPStatus.NOT_MODIFIED)
    return Response(b"" if sha256 == ZEROS else found, headers={SHA256: sha256}, media_type=BYTES)


async def expect(call: Call) -> Incoming:
    """Hear of one that is about to come."""
    offer = await call.body(ImageOffer)
    _check_allowed(call)
    _, incoming = await asyncio.to_thread(Arriving.expect, places.directory(), offer)
    return incoming


async def take(call: Call) -> Response:
    """Keep some of its bytes."""
    _check_allowed(call)
    place = number(call.path("piece"), "piece")
    sha256 = call.request.headers.get(SHA256, ZEROS)
    content = bytearray()
    async for part in call.request.stream():
        content += part
        if len(content) > PIECE_BYTES:
            raise TooLarge(f"a piece above {PIECE_BYTES} bytes")
    try:
        await asyncio.to_thread(_arriving(call).take, place, bytes(content), sha256)
    except OSError as error:
        raise NoCapacity(f"the image cannot be kept: {error.strerror}") from error
    return Response(status_code=HTTPStatus.CREATED)


async def finish(call: Call) -> Image:
    """Let it be an image."""
    end = await call.body(ImageEnd)
    _check_allowed(call)
    entry = await asyncio.to_thread(_arriving(call).finish, end.sha256)
    return await asyncio.to_thread(places.store().image, entry.name)


async def drop(call: Call) -> None:
    """Do without it."""
    _check_allowed(call)
    await asyncio.to_thread(_arriving(call).drop)


def _arriving(call: Call) -> Arriving:
    return Arriving(places.directory(), call.path("token"))


def _check_allowed(call: Call) -> None:
    """Who has a certificate alone has to be let in; who is on this host already may do everything here."""
    if call.who.startswith(CERTIFIED):
        client = call.request.client
        address = client.host if client is not None else ""
        acceptance.check(call.xend.settings.relocation, call.who, address, "images")


ENDPOINTS = (
    Endpoint("GET", "/v1/images", list_images, "The images of the host's store.", answer=list[Image]),
    Endpoint(
        "POST",
        "/v1/images",
        expect,
        "Say that an image is about to come, piece by piece; what came of it before is not needed again.",
        body=ImageOffer,
        answer=Incoming,
        errors=(AlreadyExists, Forbidden, NoCapacity),
    ),
    Endpoint("GET", "/v1/images/{name}", get, "One image.", answer=Image, errors=(NotFound,)),
    Endpoint(
        "GET",
        "/v1/images/{name}/layout",
        layout,
        "Which pieces of 4 MiB an image has that are not holes.",
        answer=ImageLayout,
        errors=(NotFound, InUse, WrongState),
    ),
    Endpoint(
        "GET",
        "/v1/images/{name}/pieces/{piece}",
        piece,
        "A piece of an image, by number, with its SHA-256 in a header; empty: zeros. If-None-Match is heard.",
        media=BYTES,
        answer=bytes,
        errors=(NotFound, Conflict),
    ),
    Endpoint(
        "PUT",
        "/v1/image-transfers/{token}/pieces/{piece}",
        take,
        "A piece of an image that is awaited, by number, with its SHA-256 in a header; empty: zeros.",
        body=bytes,
        status=HTTPStatus.CREATED,
        errors=(NotFound, Conflict, Forbidden, NoCapacity, TooLarge),
    ),
    Endpoint(
        "POST",
        "/v1/image-transfers/{token}/finish",
        finish,
        "All pieces are sent: it becomes an image, if it is what was sent.",
        body=ImageEnd,
        answer=Image,
        errors=(NotFound, Conflict, Forbidden, AlreadyExists),
    ),
    Endpoint(
        "DELETE",
        "/v1/image-transfers/{token}",
        drop,
        "Keep nothing of what has come; harmless when the transfer is over.",
        status=HTTPStatus.NO_CONTENT,
        errors=(Forbidden,),
    ),
)
