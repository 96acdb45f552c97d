"""Several reads and writes that happen at once or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from domus.xen.xenstore import wire
from domus.xen.xenstore.nodes import Nodes
from domus.xen.xenstore.wire import Operation, ProtocolError

if TYPE_CHECKING:
    from domus.xen.xenstore.connection import Connection

_UINT32_MAX: Final = 0xFFFFFFFF


class Transaction(Nodes):
    """An open transaction; made by `XenStore.transaction`, and of no use after its end.

    It belongs to the connection on which it began: xenstored forgets it with that connection.
    """

    def __init__(self, connection: Connection, number: int) -> None:
        self.number = number
        self._connection = connection

    @classmethod
    async def start(cls, connection: Connection) -> Transaction:
        """Open one. Cancelled while it waits, it is given up as soon as xenstored has opened it."""

        def give_up(payload: bytes) -> None:
            cls(connection, _number(payload)).discard()

        reply = connection.ask(Operation.TRANSACTION_START, b"\0", if_abandoned=give_up)
        return cls(connection, _number(await reply))

    async def commit(self) -> None:
        """Make its writes real. Raises XenStoreError EAGAIN when others were in the way: repeat it all."""
        await self._connection.ask(Operation.TRANSACTION_END, wire.strings("T"), tx_id=self.number)

    def discard(self) -> None:
        """Forget its writes; nobody waits for that."""
        self._connection.post(Operation.TRANSACTION_END, wire.strings("F"), tx_id=self.number)

    def ask(self, operation: Operation, payload: bytes, subject: str) -> asyncio.Future[bytes]:
        """Send a request as a part of this transaction."""
        return self._connection.ask(operation, payload, subject=subject, tx_id=self.number)

    def _ask(
        self, operation: Operation, payload: bytes, subject: str, tx: Transaction | None
    ) -> asyncio.Future[bytes]:
        return (tx or self).ask(operation, payload, subject)


def _number(payload: bytes) -> int:
    text = wire.first_string(payload)
    if not text.isdigit() or not 0 < int(text[:11]) <= _UINT32_MAX:
        raise ProtocolError(f"XenStore numbers a transaction {text[:20]!r}")
    return int(text)
