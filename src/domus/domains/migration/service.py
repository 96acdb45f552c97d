"""Migration as the rest of xend sees it."""

from __future__ import annotations

from domus.domains.journal import SettleMove
from domus.domains.migration.link import Connect, Link
from domus.domains.migration.moves import Moves
from domus.domains.migration.receiving import Receiving
from domus.domains.migration.replicating import Replicating
from domus.domains.migration.sending import Sending
from domus.domains.migration.settling import Settling
from domus.domains.parts import Parts
from domus.domains.saving import Saving
from domus.model.errors import NotFound, Unreachable
from domus.model.migration import Move, Partner
from domus.model.operation import Operation
from domus.storage import writelog
from domus.storage.blobs import BlobStore


class Migration:
    """Domains from and to other hosts. For the event loop."""

    def __init__(
        self, parts: Parts, store: BlobStore, saving: Saving, moves: Moves, connect: Connect
    ) -> None:
        self._parts = parts
        self._started = False
        self.moves = moves
        self.settling = Settling(parts, moves, saving, connect)
        self.sending = Sending(parts, store, saving, moves, self.settling, connect)
        self.replicating = Replicating(parts, saving, moves, self.sending, connect)
        self.receiving = Receiving(parts, store, moves, self.settling)

    async def start(self) -> None:
        """Go on with what a former xend left open. Before anything else happens to its domains."""
        self._started = True
        await self._parts.workers.call(writelog.sweep)
        await self.settling.start()

    async def close(self) -> None:
        """Stop asking other hosts."""
        await self.settling.close()

    async def undo(self, record: SettleMove) -> None:
        """What the journal asks for after a failure; after a kill of xend `start` sees to it."""
        if self._started and any(move.id == record.id for move in self.moves):
            await self.settling.persist(record.id)

    def cancel(self, reference: str) -> Operation:
        """Stop the migration of a domain from here, or its replication.

        Raises:
            NotFound: none is under way.
            Conflict: the other host has it already, or may have it.
        """
        operations = self._parts.operations
        for operation in operations.list():
            is_open = operation.kind in ("migrate", "replicate") and not operation.state.final
            if is_open and reference in (operation.domain, operation.uuid):
                return operations.cancel(operation.id)
        raise NotFound(f"no migration of '{reference[:128]}' is under way here")

    def list(self) -> list[Move]:
        """What is remembered, the oldest first."""
        return list(self.moves)


def unconnected(partner: Partner) -> Link:
    """A xend that can reach no other."""
    raise Unreachable("this xend has no certificates to show", where=partner.name, hint="xm host add")
