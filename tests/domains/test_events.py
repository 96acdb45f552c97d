"""Events are numbered without a gap, and can be followed from any point that is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domus.domains import events
from domus.domains.database import Database
from domus.domains.events import EventBus, EventKind
from domus.model.errors import NotFound


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[EventBus]:
    database = await Database.open(tmp_path / "xend.sqlite")
    bus = await EventBus.open(database)
    try:
        yield bus
    finally:
        await bus.close()
        await database.close()


async def take(bus: EventBus, count: int, since: int | None) -> list[int]:
    revisions: list[int] = []
    async with asyncio.timeout(10):
        async for event in bus.subscribe(since):
            revisions.append(event.revision)
            if len(revisions) == count:
                break
    return revisions


def publish(bus: EventBus, count: int) -> None:
    for number in range(count):
        bus.publish(EventKind.DOMAIN_PAUSED, domain=f"web{number}")


async def test_a_reader_sees_what_happens_from_now_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as bus:
        publish(bus, 3)
        await bus.close()
        reader = asyncio.create_task(take(bus, 2, None))
        await asyncio.sleep(0)
        publish(bus, 2)
        assert await reader == [4, 5]


@pytest.mark.parametrize("since", [0, 1, 7, 19])
async def test_a_reader_goes_on_where_it_was_also_after_a_restart(tmp_path: Path, since: int) -> None:
    async with opened(tmp_path) as bus:
        publish(bus, 10)
    async with opened(tmp_path) as bus:
        publish(bus, 10)
        await bus.close()
        assert await take(bus, 20 - since, since) == list(range(since + 1, 21))


async def test_revisions_never_repeat(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        async with opened(tmp_path) as bus:
            seen += [bus.publish(EventKind.DOMAIN_CREATED).revision for _ in range(4)]
    assert seen == list(range(1, 13))


async def test_old_events_are_forgotten_and_a_reader_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HISTORY", 5)
    async with opened(tmp_path) as bus:
        for _ in range(12):
            publish(bus, 1)
            await bus.close()
    async with opened(tmp_path) as bus:
        assert await take(bus, 5, 0) == [8, 9, 10, 11, 12]
        assert await take(bus, 5, 7) == [8, 9, 10, 11, 12]
        with pytest.raises(NotFound, match="read the state again"):
            try:
                await take(bus, 1, 3)
            except NotFound as error:
                raise NotFound(error.for_user()) from error


async def test_a_revision_that_has_not_happened_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as bus:
        with pytest.raises(NotFound):
            await take(bus, 1, 99)


async def test_a_slow_reader_misses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as bus:
        revisions = []
        publish(bus, 1)
        await bus.close()
        async for event in bus.subscribe(0):
            revisions.append(event.revision)
            if event.revision < 2000:
                publish(bus, 400 if len(revisions) % 100 == 1 else 0)
                await asyncio.sleep(0)
            if event.revision >= 2000:
                break
        assert revisions == list(range(1, len(revisions) + 1))


async def test_details_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    async with opened(tmp_path) as bus:
        event = bus.publish(EventKind.DOMAIN_SHUTDOWN, domain="web", domid=3, uuid="u", reason="poweroff")
    async with opened(tmp_path) as bus:
        async for again in bus.subscribe(0):
            assert again == event
            break
