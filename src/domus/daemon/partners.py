"""The xends of other hosts, asked with this host's own certificate."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from domus.client.calls import Calls
from domus.client.client import Client
from domus.client.conversation import SocketConversation
from domus.client.exchange import Exchange
from domus.client.migration import Migration
from domus.client.tls import RemotePeer
from domus.daemon.settings import Settings
from domus.domains.migration.link import Connect
from domus.model.errors import Unreachable
from domus.model.migration import Answer, Move, Offer, Partner

#: seconds without a byte after which a host counts as silent; building a domain there may take that long
_SILENT_WITHIN: Final = 60.0


class _Peer(RemotePeer):
    """Remembers its connection, so that it can be ended from another thread."""

    _descriptor: int | None = None

    def converse(self, *, within: float) -> SocketConversation:
        """A connection for requests."""
        conversation = super().converse(within=within)
        self.forget()
        self._descriptor = os.dup(conversation.socket.fileno())
        return conversation

    def has_answered(self) -> bool:
        """Something has arrived, or the connection has ended."""
        if self._descriptor is None:
            return False
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN | select.POLLHUP)
        return bool(poll.poll(0))

    def hang_up(self) -> None:
        """Whoever reads or writes on the connection finds it ended."""
        if self._descriptor is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as connection:
                connection.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """The connection is not needed any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class HostLink:
    """Another xend; see `domus.domains.migration.link`."""

    def __init__(self, settings: Settings, partner: Partner) -> None:
        tls = settings.tls_dir
        self._peer = _Peer(
            partner.address,
            partner.port,
            ca=tls / "ca.crt",
            cert=tls / "host.crt",
            key=tls / "host.key",
            server_name=partner.server_name or None,
        )
        self._exchange = Exchange(self._peer, within=_SILENT_WITHIN)
        self._calls = Migration(Calls(self._exchange))

    def offer(self, offer: Offer) -> Answer:
        """Ask whether it takes a domain."""
        return self._calls.offer(offer)

    def put_image(self, path: Path) -> None:
        """Hand a kernel or ramdisk over."""
        client = Client(self._peer)
        client.calls = Calls(self._exchange)
        client.put_blob(path)

    def digests(self, move_id: str, number: int, first: int) -> bytes:
        """The digests of some chunks of what is in a copied disk's place."""
        return self._calls.digests(move_id, number, first)

    def send(self, move_id: str, frames: Iterator[bytes]) -> Move:
        """Send libxl's stream, unless there is an answer before its end: then it is of no use any more."""

        def until_answered() -> Iterator[bytes]:
            for frame in frames:
                if self._peer.has_answered():
                    return
                yield frame

        return self._calls.send(move_id, until_answered())

    def commit(self, move_id: str) -> Move:
        """Say that it may run there."""
        return self._calls.commit(move_id)

    def abort(self, move_id: str) -> Move:
        """Say that it stays here."""
        return self._calls.abort(move_id)

    def look(self, move_id: str) -> Move:
        """Ask how far it is."""
        return self._calls.look(move_id)

    def hang_up(self) -> None:
        """End what is under way."""
        self._peer.hang_up()

    def close(self) -> None:
        """Hang up."""
        self._exchange.close()
        self._peer.forget()


def connector(settings: Settings) -> Connect:
    """How this xend reaches others."""

    def connect(partner: Partner) -> HostLink:
        if not (settings.tls_dir / "host.crt").exists():
            raise Unreachable(
                f"this host has no certificates in {settings.tls_dir}", where=partner.name, hint="xm host add"
            )
        return HostLink(settings, partner)

    return connect
