"""Images of a host's store, fetched and sent: `client.images`."""

from __future__ import annotations

import builtins
from typing import Final

from domus.client.calls import Calls, decode
from domus.client.requests import quote
from domus.model.errors import Conflict, NotFound
from domus.model.images import Image
from domus.model.transfers import (
    PIECE_BYTES,
    ZEROS,
    ImageEnd,
    ImageLayout,
    ImageOffer,
    Incoming,
    digest,
)

_SHA256: Final = "Domus-SHA256"
_NOT_MODIFIED: Final = 304


class Images:
    """All of them, and one after the other by name, a snapshot as `web@before`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> builtins.list[Image]:
        """All, by name."""
        return self._calls.get("/v1/images", builtins.list[Image])

    def get(self, name: str) -> Image:
        """One of them."""
        return self._calls.get(_path(name), Image)

    def layout(self, name: str) -> ImageLayout:
        """What there is to fetch of one."""
        return self._calls.get(f"{_path(name)}/layout", ImageLayout)

    def piece(self, layout: ImageLayout, name: str, number: int, *, known: str = "") -> bytes | None:
        """A piece of an image, as it was when its layout was read; None: its SHA-256 is `known`.

        Raises:
            Conflict: it is not any more, or it was damaged on its way.
        """
        target = f"{_path(name)}/pieces/{number}?version={layout.version}"
        headers = {"If-None-Match": f'"{known}"'} if known else {}
        answer, content = self._calls.exchange.ask("GET", target, headers=headers)
        if answer.status == _NOT_MODIFIED:
            return None
        content = self._calls.settle(answer, content)
        sha256 = answer.headers.get(_SHA256.lower(), "")
        if sha256 == ZEROS and not content:
            return bytes(min(PIECE_BYTES, layout.file_bytes - number * PIECE_BYTES))
        if digest(content) != sha256:
            raise Conflict(f"piece {number} was damaged on its way", hint="try again")
        return content

    def expect(self, offer: ImageOffer) -> Incoming:
        """Say that one is about to come; returns what the host has of it."""
        return self._calls.post("/v1/images", offer, Incoming)

    def put(self, token: str, number: int, piece: bytes, sha256: str) -> None:
        """Send a piece; `ZEROS` and nothing else for one of zeros."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(piece)),
            _SHA256: sha256,
        }
        target = f"/v1/image-transfers/{quote(token)}/pieces/{number}"
        self._calls.settle(
            *self._calls.exchange.ask("PUT", target, headers=headers, body=(piece,) if piece else ())
        )

    def finish(self, token: str, sha256: str) -> Image:
        """All is sent."""
        return decode(
            self._calls.ask("POST", f"/v1/image-transfers/{quote(token)}/finish", ImageEnd(sha256=sha256)),
            Image,
        )

    def drop(self, token: str) -> None:
        """Let the host keep nothing of what it has got."""
        self._calls.ask("DELETE", f"/v1/image-transfers/{quote(token)}")


def _path(name: str) -> str:
    if not name or "/" in name:
        raise NotFound(f"there is no image {name[:60]!r}")
    return f"/v1/images/{quote(name)}"
