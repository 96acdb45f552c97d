"""What this host remembers of moves: on disk first, as xend and its partner must agree after any accident."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from domus.domains.database import Database
from domus.model.errors import NotFound
from domus.model.migration import Move, Stage

#: settled moves that are remembered: the other host may ask, and people where a domain went
_KEPT = 500


class Moves:
    """All of them, by id; in memory and on disk."""

    def __init__(self, database: Database, known: dict[str, Move]) -> None:
        self._database = database
        self._known = known
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, database: Database) -> Self:
        """Those of a database."""
        query = "SELECT move FROM move"
        rows = await database.read(lambda connection: connection.execute(query).fetchall())
        decode = msgspec.json.Decoder(Move).decode
        moves = sorted((decode(row[0]) for row in rows), key=lambda move: move.started)
        return cls(database, {move.id: move for move in moves})

    def __iter__(self) -> Iterator[Move]:
        return iter(list(self._known.values()))

    def get(self, move_id: str) -> Move:
        """One of them.

        Raises:
            NotFound: it is not known here.
        """
        try:
            return self._known[move_id]
        except KeyError:
            raise NotFound(f"no migration {move_id[:40]!r}") from None

    def last_of(self, reference: str) -> Move | None:
        """The last one of a domain, by its name or uuid."""
        found = [move for move in self if reference in (move.domain, move.uuid)]
        return found[-1] if found else None

    def went(self, reference: str) -> str:
        """The host to which a domain of this name or uuid moved; "": none did, or it has come back."""
        last = self.last_of(reference)
        return last.partner.name if last is not None and last.stage is Stage.SENT else ""

    async def put(self, move: Move) -> Move:
        """Remember it as it is now; on return it is on disk."""
        return await self._whole(lambda: move)

    async def change(self, move_id: str, **fields: Any) -> Move:
        """Remember something else of it; raises as `get`."""
        return await self._whole(lambda: replace(self.get(move_id), **fields))

    async def _whole(self, change: Callable[[], Move]) -> Move:
        """One change after the other, each carried through also when the caller is cancelled."""

        async def work() -> Move:
            async with self._writing:
                return await self._write(replace(change(), changed=time.time()))

        return await asyncio.shield(asyncio.create_task(work()))

    async def _write(self, move: Move) -> Move:
        forgotten = self._forgotten()
        row = (move.id, msgspec.json.encode(move))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO move VALUES (?, ?)", row)
            connection.executemany("DELETE FROM move WHERE id = ?", [(each,) for each in forgotten])

        await self._database.write(work)
        for each in forgotten:
            self._known.pop(each, None)
        self._known[move.id] = move
        return move

    def _forgotten(self) -> list[str]:
        settled = [move.id for move in self if move.settled]
        return settled[: max(0, len(settled) - _KEPT)]
