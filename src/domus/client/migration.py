"""Moving domains to other hosts."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator

from domus.client.calls import Calls, decode, domain_path
from domus.client.requests import quote
from domus.model.migration import (
    Answer,
    Check,
    DecideRequest,
    Digests,
    MigrateRequest,
    Move,
    Offer,
    ReplicateRequest,
    Side,
)
from domus.model.operation import Operation


class Migration:
    """`client.migration`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def check(self, ref: str, request: MigrateRequest) -> Check:
        """What would make a move fail; nothing is changed."""
        return self._calls.post(f"{domain_path(ref)}/migrate/check", request, Check)

    def migrate(self, ref: str, request: MigrateRequest) -> Operation:
        """Begin to move a domain to another host; returns at once, see `Client.finish`."""
        return self._calls.post(f"{domain_path(ref)}/migrate", request, Operation)

    def replicate(self, ref: str, request: ReplicateRequest) -> Operation:
        """Begin to keep a domain on another host; it ends by an error, or by `cancel`."""
        return self._calls.post(f"{domain_path(ref)}/replicate", request, Operation)

    def cancel(self, ref: str) -> Operation:
        """Ask the move of a domain, or its replication, to stop; see `Client.finish` for its end."""
        return self._calls.post(f"{domain_path(ref)}/migrate/cancel", None, Operation)

    def decide(self, ref: str, side: Side) -> Move:
        """Say whose a domain is that waits for an answer of the other host."""
        return self._calls.post(f"{domain_path(ref)}/migrate/decide", DecideRequest(side=side), Move)

    def list(self) -> builtins.list[Move]:
        """The moves that the host remembers, the oldest first."""
        return self._calls.get("/v1/migrations", builtins.list[Move])

    # What hosts ask each other

    def offer(self, offer: Offer) -> Answer:
        """Ask whether it takes a domain."""
        return self._calls.post("/v1/migrations", offer, Answer)

    def digests(self, move_id: str, number: int, first: int) -> bytes:
        """The digests of some chunks of what is in a copied disk's place."""
        return self._calls.get(f"{_path(move_id)}/disks/{number}?first={first}", Digests).digests

    def send(self, move_id: str, frames: Iterator[bytes]) -> Move:
        """Send a stream; on return the domain is built there."""
        headers = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        target = f"{_path(move_id)}/stream"
        answer, content = self._calls.exchange.ask("POST", target, headers=headers, body=_chunked(frames))
        return decode(self._calls.settle(answer, content), Move)

    def look(self, move_id: str) -> Move:
        """How it stands."""
        return self._calls.get(_path(move_id), Move)

    def commit(self, move_id: str) -> Move:
        """Say that the domain may run there."""
        return self._calls.post(f"{_path(move_id)}/commit", None, Move)

    def abort(self, move_id: str) -> Move:
        """Say that the domain does not come."""
        return self._calls.post(f"{_path(move_id)}/abort", None, Move)


def _path(move_id: str) -> str:
    return f"/v1/migrations/{quote(move_id)}"


def _chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The chunked transfer coding of HTTP/1.1 (RFC 9112, 7.1)."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
