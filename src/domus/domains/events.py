"""What happens on this host, as a numbered stream that can be followed from any point without loss.

A revision is given when something happens, written to disk, and only then shown to anybody: what a reader
has seen is never numbered anew. Events in quick succession are written together.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Final, Self

import msgspec

from domus.domains.database import Database
from domus.model.errors import DomusError, NotFound
from domus.model.operation import Event

log = logging.getLogger(__name__)

#: Events that can be followed from; the older ones are forgotten.
HISTORY: Final = 10_000
_IN_MEMORY: Final = 1_000
_BATCH: Final = 500


class EventKind(StrEnum):
    """Everything that can happen."""

    DOMAIN_CREATED = "domain.created"  #: it exists in Xen now, whoever made it
    DOMAIN_PAUSED = "domain.paused"
    DOMAIN_UNPAUSED = "domain.unpaused"
    DOMAIN_SHUTDOWN = "domain.shutdown"  #: it ended itself; detail "reason"
    DOMAIN_CRASHED = "domain.crashed"
    DOMAIN_SAVED = "domain.saved"  #: its memory is in a file; detail "path"
    DOMAIN_RESTORED = "domain.restored"  #: it goes on from a file; detail "path"
    DOMAIN_MOVED_AWAY = "domain.moved-away"  #: it goes on on another host; detail "to"
    DOMAIN_ARRIVED = "domain.arrived"  #: it goes on here; detail "host", from which it came
    DOMAIN_RESTARTING = "domain.restarting"  #: it is built anew after `delay` seconds
    DOMAIN_SET_ASIDE = "domain.set-aside"  #: a dead one has another name and uuid now; details "was", "uuid"
    DOMAIN_FAILED = "domain.failed"  #: xend no longer restarts it; detail "problem"
    DOMAIN_DUMPED = "domain.dumped"  #: its memory is in a core file; detail "path"
    DOMAIN_DESTROYED = "domain.destroyed"  #: it is gone from Xen, whoever took it away
    DOMAIN_DEFINED = "domain.defined"  #: xend keeps its configuration from now on; details "who", "revision"
    DOMAIN_CONFIGURED = "domain.configured"  #: what is kept of it has changed; as before
    DOMAIN_DELETED = "domain.deleted"  #: nothing is kept of it any more; as before
    DEVICE_ATTACHED = "device.attached"  #: to a running domain; details "device" and "devid"
    DEVICE_DETACHED = "device.detached"  #: from a running domain; details as above
    DISK_FAILED = (
        "disk.failed"  #: requests of a running domain fail; details "devid", "what", "path", "request"
    )
    STORE_FILLING = (
        "store.filling"  #: where disks are is nearly full; details "store", "kind_of_store", "what"
    )
    DOMAIN_CHANGED = "domain.changed"  #: something of it was set; details "what" and "who"
    CPUPOOL_CREATED = "cpupool.created"  #: detail "cpupool", its name, as of the next two
    CPUPOOL_CHANGED = "cpupool.changed"  #: its name, its CPUs, or its scheduler's parameters
    CPUPOOL_DESTROYED = "cpupool.destroyed"
    OPERATION_STARTED = "operation.started"  #: details "id", "kind", "who"
    OPERATION_ENDED = "operation.ended"  #: details "id", "kind", "who", "state", and "problem" if it failed


class EventBus:
    """The host's events. For the event loop; made by `open`."""

    def __init__(self, database: Database, revision: int, oldest: int) -> None:
        self._database = database
        self._given = revision  # the last revision that was given out
        self._oldest = oldest  # the first one that can still be read
        self._recent: deque[Event] = deque(maxlen=_IN_MEMORY)
        self._revision = revision  # the last one on disk
        self._pending: list[Event] = []
        self._news = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, database: Database) -> Self:
        """The events of a database; revisions go on where they ended."""
        query = "SELECT coalesce(max(revision), 0), coalesce(min(revision), 1) FROM event"
        last, oldest = await database.read(lambda connection: connection.execute(query).fetchone())
        return cls(database, last, oldest)

    @property
    def revision(self) -> int:
        """The revision of the last event that readers can see."""
        return self._revision

    def publish(
        self, kind: EventKind, *, domain: str = "", domid: int | None = None, uuid: str = "", **detail: str
    ) -> Event:
        """Tell that something happened; readers see it once it is on disk."""
        self._given += 1
        event = Event(
            revision=self._given,
            time=time.time(),
            kind=kind,
            domain=domain,
            domid=domid,
            uuid=uuid,
            detail=detail,
        )
        self._pending.append(event)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="events")
        return event

    def subscribe(self, since: int | None = None, *, follow: bool = True) -> AsyncIterator[Event]:
        """Events in order, without a gap, as they happen.

        Args:
            since: the last revision that the reader knows; 0: from the oldest that is kept on;
                None: only what happens from now on.
            follow: False: end with the last one that has happened by now.

        Raises:
            NotFound: what came after `since` is forgotten, or `since` has not happened: read the state anew.
        """
        position = self._revision if since is None else since
        if position > self._revision or (position and position < self._oldest - 1):
            raise NotFound(
                f"events after revision {position} are not known here (there are {self._oldest} to "
                f"{self._revision})",
                hint="read the state again, then follow from now on",
            )
        return self._follow(position) if follow else self._until(position, self._revision)

    async def _until(self, position: int, last: int) -> AsyncIterator[Event]:
        while position < last:
            batch = await self._after(position)
            if not batch:
                return  # events that a full disk did not keep
            for event in batch:
                position = event.revision
                if position <= last:
                    yield event

    async def _follow(self, position: int) -> AsyncIterator[Event]:
        while True:
            news = self._news
            for event in await self._after(position):
                position = event.revision
                yield event
            if position >= self._revision:
                await news.wait()

    async def close(self) -> None:
        """Wait until all events are on disk."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _after(self, revision: int) -> list[Event]:
        if revision >= self._revision:
            return []
        if self._recent and self._recent[0].revision <= revision + 1:
            return [event for event in self._recent if event.revision > revision][:_BATCH]
        query = "SELECT event FROM event WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?"
        bounds = (revision, self._revision, _BATCH)
        rows = await self._database.read(lambda connection: connection.execute(query, bounds).fetchall())
        decoder = msgspec.json.Decoder(Event)
        return [decoder.decode(row[0]) for row in rows]

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await self._keep(batch)
            except DomusError as error:
                # A full disk must not stop the host's readers; after a restart these are numbered anew.
                log.critical("events cannot be kept: %s", error.for_user())
            self._recent.extend(batch)
            self._revision = batch[-1].revision
            news, self._news = self._news, asyncio.Event()
            news.set()

    async def _keep(self, batch: list[Event]) -> None:
        rows = [(event.revision, msgspec.json.encode(event)) for event in batch]
        oldest = max(self._oldest, batch[-1].revision - HISTORY + 1)

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT INTO event VALUES (?, ?)", rows)
            connection.execute("DELETE FROM event WHERE revision < ?", (oldest,))

        await self._database.write(work)
        self._oldest = oldest
