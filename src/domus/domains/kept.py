"""The configurations of running domains that xend made: kept on disk, so that the next xend knows them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final, Self

import msgspec

from domus.domains.database import Database
from domus.model.config import DomainConfig
from domus.storage import blobs

_ENCODE: Final = msgspec.json.encode


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one domain that xend made."""

    config: DomainConfig  #: as it was asked for, with its uuid and MAC addresses chosen
    domid: int | None = None  #: None: being built, or waiting to be built anew
    started: float = 0.0  #: seconds since the epoch, of this boot
    restart_due: float | None = None  #: seconds since the epoch; it is to be built anew then
    quick_restarts: int = 0  #: how often in a row it ended soon after its start
    problem: str = ""  #: why xend no longer restarts it, for people

    @property
    def uuid(self) -> str:
        """The domain's uuid, which was chosen before it was kept."""
        return self.config.uuid or ""


class KeptDomains:
    """All of them, by uuid; in memory and on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_uuid: dict[str, Kept] = {}

    @classmethod
    async def open(cls, database: Database) -> Self:
        """Those of a database."""
        kept = cls(database)
        rows = await database.read(lambda connection: connection.execute("SELECT kept FROM kept").fetchall())
        decoder = msgspec.json.Decoder(Kept)
        kept._by_uuid = {each.uuid: each for each in (decoder.decode(row[0]) for row in rows)}
        return kept

    def __iter__(self) -> Iterator[Kept]:
        return iter(list(self._by_uuid.values()))

    def get(self, uuid: str) -> Kept | None:
        """What is kept of a domain; None: xend did not make it."""
        return self._by_uuid.get(uuid)

    def running(self, uuid: str, domid: int | None) -> Kept | None:
        """What is kept of a domain, if this boot of it is xend's."""
        kept = self._by_uuid.get(uuid)
        return kept if kept is not None and domid is not None and kept.domid == domid else None

    def waiting(self) -> list[Kept]:
        """Those that are to be built anew."""
        return [kept for kept in self if kept.restart_due is not None]

    async def put(self, kept: Kept) -> None:
        """Keep this instead of what was kept of the domain."""
        self._by_uuid[kept.uuid] = kept
        row = (kept.uuid, _ENCODE(kept))
        await self._database.write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", row)
        )

    async def forget(self, uuid: str) -> None:
        """Keep nothing of a domain; harmless when nothing is."""
        self._by_uuid.pop(uuid, None)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM kept WHERE uuid = ?", (uuid,))

        await self._database.write(work)

    def blobs(self) -> set[str]:
        """The blobs from which kept domains are started again: they must stay in the store."""
        images = [image for kept in self for image in (kept.config.kernel, kept.config.ramdisk)]
        return {
            image.removeprefix(blobs.PREFIX) for image in images if image and image.startswith(blobs.PREFIX)
        }
