"""xend's state on disk: one SQLite database, used from one thread of its own.

Each `write` is one transaction, on disk for good when it returns (WAL, synchronous=FULL), so the event
loop never waits for a disk. A database made by a newer Domus is refused rather than misread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from domus.model.errors import HostProblem

T = TypeVar("T")

#: Each entry brings the database from the version that is its index to the next one; never changed
#: once released.
MIGRATIONS: Final = (
    """
    CREATE TABLE operation (id TEXT PRIMARY KEY, snapshot BLOB NOT NULL, final INTEGER NOT NULL)
                            WITHOUT ROWID;
    CREATE TABLE undo (operation TEXT NOT NULL, step INTEGER NOT NULL, record BLOB NOT NULL,
                       PRIMARY KEY (operation, step)) WITHOUT ROWID;
    CREATE TABLE event (revision INTEGER PRIMARY KEY, event BLOB NOT NULL);
    CREATE TABLE kept (uuid TEXT PRIMARY KEY, kept BLOB NOT NULL) WITHOUT ROWID;
    """,
    # Managed domains: what is kept of them now, and every configuration that they have had.
    """
    CREATE TABLE managed (uuid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL,
                          start BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE managed_revision (uuid TEXT NOT NULL, number INTEGER NOT NULL, revision BLOB NOT NULL,
                                   PRIMARY KEY (uuid, number)) WITHOUT ROWID;
    CREATE TABLE managed_fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    # the definitions of managed cpupools
    """
    CREATE TABLE cpupool (name TEXT PRIMARY KEY, config BLOB NOT NULL) WITHOUT ROWID;
    """,
    # moves of domains from host to host
    """
    CREATE TABLE move (id TEXT PRIMARY KEY, move BLOB NOT NULL) WITHOUT ROWID;
    """,
    # When a managed domain starts with the host is a part of its configuration. (A null in a patch takes
    # nothing that is not there away.)
    """
    UPDATE managed_revision AS r SET revision = json_patch(CAST(r.revision AS TEXT), (
        SELECT json_object('config', json_object(
            'start_order', json_extract(CAST(m.start AS TEXT), '$.order'),
            'start_delay_s', json_extract(CAST(m.start AS TEXT), '$.delay_s'),
            'start_after', json_extract(CAST(m.start AS TEXT), '$.after')))
        FROM managed AS m WHERE m.uuid = r.uuid))
        WHERE EXISTS (SELECT 1 FROM managed AS m WHERE m.uuid = r.uuid AND m.revision = r.number);
    ALTER TABLE managed DROP COLUMN start;
    """,
    # named networks, and the addresses that cards have in them
    """
    CREATE TABLE network (name TEXT PRIMARY KEY, config BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE network_address (network TEXT NOT NULL, mac TEXT NOT NULL, address TEXT NOT NULL,
                                  name TEXT NOT NULL, PRIMARY KEY (network, mac), UNIQUE (network, address))
                                  WITHOUT ROWID;
    """,
)


class Database:
    """An open database; made by `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self.path = path
        self._connection = connection
        self._thread = thread

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database, or make it; its directory is made too.

        Raises:
            HostProblem: it is damaged, not writable, or of a newer Domus.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        try:
            connection = await asyncio.get_running_loop().run_in_executor(thread, _open, path)
        except (sqlite3.Error, OSError) as error:
            thread.shutdown(wait=False)
            raise HostProblem(
                f"cannot open xend's state {path}: {error}",
                hint="move it away to begin with none; running domains are not harmed",
            ) from error
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(path, connection, thread)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction, on disk for good on return.

        When the caller is cancelled meanwhile, the work is done all the same; whatever is asked for
        afterwards happens after it.

        Raises:
            HostProblem: the disk is full or broken; nothing of it is done.
        """
        return await self._run(lambda: _in_transaction(self._connection, work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads."""
        return await self._run(lambda: work(self._connection))

    async def close(self) -> None:
        """Finish what was asked for, and close. May be called twice."""
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise HostProblem(
                f"xend's state {self.path}: {error}", hint="is its filesystem full or read-only?"
            ) from error


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Autocommit: transactions are begun and ended by name below.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise HostProblem(
                f"xend's state {path} was written by a newer Domus (format {version}, this one knows "
                f"{len(MIGRATIONS)})",
                hint="start the newer one",
            )
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            connection.executescript(f"BEGIN;{script};PRAGMA user_version={number};COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
