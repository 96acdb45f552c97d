"""The other host's xend, as a move needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from domus.model.migration import Answer, Move, Offer, Partner


class Link(Protocol):
    """Requests to another xend, over TLS with both certificates. They block: worker threads, one at a time.

    Each raises what the other xend raised, or Unreachable or OutcomeUnknown.
    """

    def offer(self, offer: Offer) -> Answer:
        """Ask whether it takes a domain."""

    def put_image(self, path: Path) -> None:
        """Hand a kernel or ramdisk over."""

    def digests(self, move_id: str, number: int, first: int) -> bytes:
        """The digests of some chunks of what is in a copied disk's place; none behind the last one."""

    def send(self, move_id: str, frames: Iterator[bytes]) -> Move:
        """Send libxl's stream; on return the domain is built there, and paused."""

    def commit(self, move_id: str) -> Move:
        """Say that it may run there; what the answer's stage says is final."""

    def abort(self, move_id: str) -> Move:
        """Say that it stays here; what the answer's stage says is final."""

    def look(self, move_id: str) -> Move:
        """Ask how far the other host is."""

    def hang_up(self) -> None:
        """End what is under way, from any thread."""

    def close(self) -> None:
        """Hang up, when nothing is under way."""


Connect = Callable[[Partner], Link]
