"""Blobs: kernels and ramdisks that a client hands over, named by their SHA-256."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from domus.daemon.errors import TooLarge
from domus.daemon.routes.endpoint import BYTES, Call, Endpoint, number
from domus.model.errors import Conflict, NoCapacity, NotFound

#: bytes of one blob
BLOB_LIMIT: Final = 1 << 30

#: bytes that are hashed and written at once
PIECE: Final = 1 << 20


async def head(call: Call) -> Response:
    """Is it here?"""
    path = await asyncio.to_thread(call.xend.blobs.get, call.path("sha256"))
    return Response(headers={"Content-Length": str(path.stat().st_size)}, media_type=BYTES)


async def put(call: Call) -> Response:
    """Take one in, whole or not at all."""
    length = call.request.headers.get("content-length")
    if length is not None and number(length, "Content-Length") > BLOB_LIMIT:
        raise TooLarge(f"a blob above {BLOB_LIMIT >> 20} MiB")
    incoming = await asyncio.to_thread(call.xend.blobs.incoming, call.path("sha256"))
    with incoming:
        size = 0
        waiting = bytearray()
        async for piece in call.request.stream():
            size += len(piece)
            if size > BLOB_LIMIT:
                raise TooLarge(f"a blob above {BLOB_LIMIT >> 20} MiB")
            waiting += piece
            if len(waiting) >= PIECE:
                # in a thread: hashing and writing a piece takes long enough for others to notice
                await asyncio.to_thread(incoming.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(incoming.write, bytes(waiting))
        await asyncio.to_thread(incoming.commit)
    return Response(status_code=HTTPStatus.CREATED)


ENDPOINTS = (
    Endpoint("HEAD", "/v1/blobs/{sha256}", head, "Does the host have this blob?", errors=(NotFound,)),
    Endpoint(
        "PUT",
        "/v1/blobs/{sha256}",
        put,
        "Hand a blob over: up to 1 GiB, kept only if its SHA-256 is the one in the path.",
        body=bytes,
        status=HTTPStatus.CREATED,
        errors=(Conflict, NoCapacity, TooLarge),
    ),
)
