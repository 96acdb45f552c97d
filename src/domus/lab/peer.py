"""The xend of a lab host, as the client sees it: requests go over a line, consoles and streams in TLS."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from domus.lab import line
from domus.lab.api_line import ApiLine
from domus.model.errors import Unreachable

if TYPE_CHECKING:
    import socket

    from domus.client.conversation import Conversation
    from domus.client.peers import Peer


class LabPeer:
    """A running lab host.

    Args:
        folder: where its sockets are.
        remote: makes the peer for its TLS port, which is what a host without a free line is asked through.
    """

    def __init__(self, name: str, folder: str, remote: Callable[[], Peer]) -> None:
        self.host = name
        self.key = folder
        self._make_remote = remote

    def __repr__(self) -> str:
        return f"lab host {self.host}"

    @cached_property
    def _remote(self) -> Peer:
        return self._make_remote()

    def connect(self) -> socket.socket:
        """A connection in TLS: its end can be waited for beside a keyboard."""
        return self._remote.connect()

    def converse(self, *, within: float) -> Conversation:
        """A line if one is free and the agent answers, else TLS."""
        try:
            free = line.take(self.key)
        except OSError as error:
            raise Unreachable(f"{self!r} does not run", hint=f"xm lab up {self.host}") from error
        if free is not None:
            try:
                api = ApiLine(free, within=within)
                if api.greeted():
                    return api
            except OSError:
                pass  # QEMU has just ended: TLS says it in its own words
            free.close()
        return self._remote.converse(within=within)

    def explain(self, error: OSError) -> Unreachable | None:
        """No xend listened, or the TLS peer knows."""
        if isinstance(error, ConnectionRefusedError):
            return Unreachable(
                "Unable to connect to xend: Connection refused. Is xend running?", where=repr(self)
            )
        return self._remote.explain(error)
