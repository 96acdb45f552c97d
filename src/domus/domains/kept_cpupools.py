"""The definitions of managed cpupools, on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from domus.domains.database import Database
from domus.model.cpupool import CpupoolConfig


class KeptCpupools:
    """All of them, by name. Asked for rarely: they are read anew each time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, CpupoolConfig]:
        """Each definition by its name."""
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT config FROM cpupool").fetchall()
        )
        configs = (msgspec.json.decode(row[0], type=CpupoolConfig) for row in rows)
        return {config.name: config for config in configs}

    async def put(self, config: CpupoolConfig) -> None:
        """Keep a definition instead of what was kept under its name."""
        row = (config.name, msgspec.json.encode(config))
        await self._database.write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO cpupool VALUES (?, ?)", row)
        )

    @staticmethod
    def put_within(connection: sqlite3.Connection, configs: Iterable[CpupoolConfig]) -> None:
        """Keep definitions, within somebody else's transaction."""
        rows = [(config.name, msgspec.json.encode(config)) for config in configs]
        connection.executemany("INSERT OR REPLACE INTO cpupool VALUES (?, ?)", rows)

    async def rename(self, old: str, config: CpupoolConfig) -> None:
        """Keep a definition under another name than before."""
        row = (config.name, msgspec.json.encode(config))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM cpupool WHERE name = ?", (old,))
            connection.execute("INSERT OR REPLACE INTO cpupool VALUES (?, ?)", row)

        await self._database.write(work)

    async def forget(self, name: str) -> None:
        """Keep nothing of it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM cpupool WHERE name = ?", (name,))

        await self._database.write(work)
