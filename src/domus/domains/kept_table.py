"""Things that have a name, kept in a table of their own as they were defined."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

import msgspec

from domus.domains.database import Database


class Named(Protocol):
    """What can be kept: a struct with a name."""

    @property
    def name(self) -> str:
        """Unique among those of its kind."""


T = TypeVar("T", bound=Named)


class KeptTable(Generic[T]):
    """All of a kind, by name. Asked for rarely: they are read anew each time.

    Args:
        table: with the columns `name` and `config`.
        kind: their type.
    """

    def __init__(self, database: Database, table: str, kind: type[T]) -> None:
        self._database = database
        self._kind = kind
        self._all = f"SELECT config FROM {table} ORDER BY name"  # noqa: S608 - a table of ours
        self._put = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"  # noqa: S608 - a table of ours
        self._forget = f"DELETE FROM {table} WHERE name = ?"  # noqa: S608 - a table of ours

    async def all(self) -> dict[str, T]:
        """Each definition by its name, sorted."""
        rows = await self._database.read(lambda connection: connection.execute(self._all).fetchall())
        found = (msgspec.json.decode(row[0], type=self._kind) for row in rows)
        return {each.name: each for each in found}

    async def put(self, each: T) -> None:
        """Keep a definition instead of what was kept under its name."""
        await self._database.write(lambda connection: self.put_within(connection, [each]))

    def put_within(self, connection: sqlite3.Connection, several: Iterable[T]) -> None:
        """Keep definitions, within somebody else's transaction."""
        connection.executemany(self._put, [(each.name, msgspec.json.encode(each)) for each in several])

    async def rename(self, old: str, each: T) -> None:
        """Keep a definition under another name than before."""

        def work(connection: sqlite3.Connection) -> None:
            self.forget_within(connection, old)
            self.put_within(connection, [each])

        await self._database.write(work)

    async def forget(self, name: str) -> None:
        """Keep nothing of it."""
        await self._database.write(lambda connection: self.forget_within(connection, name))

    def forget_within(self, connection: sqlite3.Connection, name: str) -> None:
        """Keep nothing of it, within somebody else's transaction."""
        connection.execute(self._forget, (name,))
