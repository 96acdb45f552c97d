"""The configurations of managed domains, on disk with their whole history, and in memory.

A change is a new revision; what was acknowledged is on disk for good (see `Database.write`). What is in
memory changes only after the disk, so nobody sees what a power cut could still take back.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Final, Self, TypeVar

import msgspec
from msgspec.structs import replace

from domus.domains.database import Database
from domus.model.config import DomainConfig
from domus.model.errors import AlreadyExists, Conflict, NotFound, WrongState
from domus.model.managed import ExportedDomain, ManagedDomain, Revision
from domus.storage import blobs

T = TypeVar("T")

_ENCODE: Final = msgspec.json.encode
_DECODE_REVISION: Final = msgspec.json.Decoder(Revision).decode

#: xend's words for an operation that needs a managed domain
NOT_MANAGED: Final = "Domain is not managed by Xend lifecycle support."


class Definitions:
    """All managed domains of this host. For the event loop; made by `open`."""

    def __init__(self, database: Database, known: Iterable[ManagedDomain]) -> None:
        self._database = database
        self._by_uuid = {each.uuid: each for each in known}
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, database: Database) -> Self:
        """Those of a database."""
        query = (
            "SELECT uuid, managed_revision.revision FROM managed"
            " JOIN managed_revision USING (uuid) WHERE number = managed.revision"
        )
        rows = await database.read(lambda connection: connection.execute(query).fetchall())
        known = (ManagedDomain(uuid=uuid, revision=_DECODE_REVISION(revision)) for uuid, revision in rows)
        return cls(database, known)

    def __iter__(self) -> Iterator[ManagedDomain]:
        return iter(list(self._by_uuid.values()))

    def __len__(self) -> int:
        return len(self._by_uuid)

    def get(self, uuid: str) -> ManagedDomain | None:
        """What is kept of a domain; None: it is not managed."""
        return self._by_uuid.get(uuid)

    def require(self, uuid: str) -> ManagedDomain:
        """As `get`.

        Raises:
            WrongState: it is not managed, in xend's words.
        """
        known = self._by_uuid.get(uuid)
        if known is None:
            raise WrongState(NOT_MANAGED, hint="xm adopt takes a running one under management")
        return known

    def named(self, name: str) -> ManagedDomain | None:
        """The managed domain of that name."""
        return next((each for each in self._by_uuid.values() if each.name == name), None)

    def holder(self, name: str, uuid: str) -> ManagedDomain | None:
        """The managed domain that has this name or this uuid."""
        return self.named(name) or self._by_uuid.get(uuid)

    def blobs(self) -> set[str]:
        """The blobs from which managed domains are started: they must stay in the store."""
        images = [image for each in self for image in (each.config.kernel, each.config.ramdisk)]
        return {
            image.removeprefix(blobs.PREFIX) for image in images if image and image.startswith(blobs.PREFIX)
        }

    async def put(self, config: DomainConfig, *, who: str, what: str) -> ManagedDomain:
        """Keep `config`, which has its uuid, as its domain's next revision; unchanged, there is none.

        Raises:
            AlreadyExists: another managed domain has the name.
        """
        return await self.change(config.uuid or "", lambda _: config, who=who, what=what)

    async def change(
        self,
        uuid: str,
        change: Callable[[DomainConfig | None], DomainConfig],
        *,
        who: str,
        what: str,
        base: int | None = None,
    ) -> ManagedDomain:
        """Change what is kept of a domain; two changes at once are made one after the other.

        Args:
            change: given what is kept now (None: nothing), returns what shall be.
            base: the revision that the caller has seen; None: whichever is the last.

        Raises:
            AlreadyExists: another managed domain has the name.
            Conflict: `base` is not the last revision any more.
        """

        async def work() -> ManagedDomain:
            async with self._writing:
                known = self._by_uuid.get(uuid)
                if base is not None and (known is None or known.revision.number != base):
                    raise _changed_meanwhile(known, base)
                config = change(known.config if known else None)
                return await self._write(uuid, known, config, who=who, what=what)

        return await _whole(work())

    async def _write(
        self,
        uuid: str,
        known: ManagedDomain | None,
        config: DomainConfig,
        *,
        who: str,
        what: str,
    ) -> ManagedDomain:
        holder = self.named(config.name)
        if holder is not None and holder.uuid != uuid:
            raise AlreadyExists(f"VM name '{config.name}' already exists")
        if config.uuid != uuid:
            raise Conflict(f"a domain's uuid stays: {uuid}")
        if known is not None and known.config == config:
            return known
        number = known.revision.number + 1 if known else 1
        revision = Revision(number=number, time=time.time(), who=who, what=what, config=config)
        managed = (uuid, config.name, revision.number)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO managed VALUES (?, ?, ?)", managed)
            connection.execute(
                "INSERT INTO managed_revision VALUES (?, ?, ?)",
                (uuid, revision.number, _ENCODE(revision)),
            )

        await self._database.write(work)
        self._by_uuid[uuid] = ManagedDomain(uuid=uuid, revision=revision)
        return self._by_uuid[uuid]

    async def forget(self, uuid: str) -> None:
        """Keep nothing of a domain, its history included; harmless when nothing is."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM managed WHERE uuid = ?", (uuid,))
            connection.execute("DELETE FROM managed_revision WHERE uuid = ?", (uuid,))

        async def write() -> None:
            async with self._writing:
                await self._database.write(work)
                self._by_uuid.pop(uuid, None)

        await _whole(write())

    async def move(self, old: str, new: str, *, who: str, what: str) -> None:
        """Give a managed domain and its history another uuid; harmless when `old` is not managed."""

        async def write() -> None:
            async with self._writing:
                known = self._by_uuid.get(old)
                if known is None:
                    return
                number = known.revision.number + 1
                config = replace(known.config, uuid=new)
                revision = Revision(number=number, time=time.time(), who=who, what=what, config=config)

                def work(connection: sqlite3.Connection) -> None:
                    connection.execute(
                        "UPDATE managed SET uuid = ?, revision = ? WHERE uuid = ?", (new, number, old)
                    )
                    connection.execute("UPDATE managed_revision SET uuid = ? WHERE uuid = ?", (new, old))
                    connection.execute(
                        "INSERT INTO managed_revision VALUES (?, ?, ?)", (new, number, _ENCODE(revision))
                    )

                await self._database.write(work)
                del self._by_uuid[old]
                self._by_uuid[new] = replace(known, uuid=new, revision=revision)

        await _whole(write())

    async def replace_all(
        self,
        forget: Iterable[str],
        add: Iterable[ExportedDomain],
        also: Callable[[sqlite3.Connection], None] = lambda connection: None,
    ) -> None:
        """Forget some domains, keep others with their histories, do what else there is: all of it or none."""
        gone, new = list(forget), list(add)

        def work(connection: sqlite3.Connection) -> None:
            for uuid in gone:
                connection.execute("DELETE FROM managed WHERE uuid = ?", (uuid,))
                connection.execute("DELETE FROM managed_revision WHERE uuid = ?", (uuid,))
            for each in new:
                last = each.history[-1]
                managed = (each.uuid, each.name, last.number)
                connection.execute("INSERT INTO managed VALUES (?, ?, ?)", managed)
                rows = [(each.uuid, revision.number, _ENCODE(revision)) for revision in each.history]
                connection.executemany("INSERT INTO managed_revision VALUES (?, ?, ?)", rows)
            also(connection)

        async def write() -> None:
            async with self._writing:
                await self._database.write(work)
                for uuid in gone:
                    self._by_uuid.pop(uuid, None)
                for each in new:
                    self._by_uuid[each.uuid] = ManagedDomain(uuid=each.uuid, revision=each.history[-1])

        await _whole(write())

    async def history(self, uuid: str) -> list[Revision]:
        """Every configuration that a domain has had, the oldest first."""
        query = "SELECT revision FROM managed_revision WHERE uuid = ? ORDER BY number"
        rows = await self._database.read(lambda connection: connection.execute(query, (uuid,)).fetchall())
        return [_DECODE_REVISION(row[0]) for row in rows]

    async def revision(self, uuid: str, number: int) -> Revision:
        """One of them.

        Raises:
            NotFound: there is none of that number.
        """
        query = "SELECT revision FROM managed_revision WHERE uuid = ? AND number = ?"
        row = await self._database.read(
            lambda connection: connection.execute(query, (uuid, number)).fetchone()
        )
        if row is None:
            raise NotFound(f"there is no revision {number}", hint="xm config history lists them")
        return _DECODE_REVISION(row[0])


def _changed_meanwhile(known: ManagedDomain | None, base: int) -> Conflict:
    if known is None:
        return Conflict("the domain was deleted meanwhile")
    last = known.revision
    return Conflict(
        f"the configuration was changed meanwhile: revision {last.number} by {last.who} ({last.what}), "
        f"after {base}",
        hint="look at it with xm config show, and begin again",
    )


async def _whole(work: Coroutine[Any, Any, T]) -> T:
    """Carry `work` through, also when the caller is cancelled: disk and memory never differ."""
    return await asyncio.shield(asyncio.create_task(work))
