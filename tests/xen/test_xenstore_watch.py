"""Watches collect changes without bound on their rate and with a bound on their memory."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.model.errors import XenStoreError
from domus.xen.xenstore.watch import CHANGES_MAX, Watch


class Nowhere:
    """A store without xenstored: these tests fire the watch themselves."""

    async def start_watch(self, watch: Watch) -> None:
        """Nothing to register."""

    def stop_watch(self, watch: Watch) -> None:
        watch.end()


def made() -> Watch:
    return Watch(Nowhere(), "/a", "token")


@given(st.lists(st.sampled_from(["/a", "/a/b", "/a/c"])))
def test_many_changes_of_one_path_are_one_change(fired: list[str]) -> None:
    watch = made()
    for path in fired:
        watch.fire(path)
    assert watch.take() == set(fired)
    assert watch.take() == set()


def test_too_many_changed_paths_become_the_watched_one() -> None:
    watch = made()
    for number in range(CHANGES_MAX + 1):
        watch.fire(f"/a/{number}")
    assert watch.take() == {"/a"}


async def test_the_path_that_changed_first_comes_first() -> None:
    watch = made()
    for path in ("/a/2", "/a/1", "/a/2"):
        watch.fire(path)
    assert [await anext(watch), await anext(watch)] == ["/a/2", "/a/1"]


async def test_a_change_wakes_who_waits() -> None:
    watch = made()
    waiting = asyncio.create_task(watch.changes())
    await asyncio.sleep(0)
    watch.fire("/a/b")
    watch.fire("/a/c")
    assert await waiting == {"/a/b", "/a/c"}


async def test_cancelling_who_waits_loses_no_change() -> None:
    watch = made()
    waiting = asyncio.create_task(watch.changes())
    await asyncio.sleep(0)
    waiting.cancel()
    watch.fire("/a/b")
    assert await watch.changes() == {"/a/b"}


async def test_what_changed_before_the_end_is_still_told() -> None:
    async with made() as watch:
        watch.fire("/a/b")
    assert [path async for path in watch] == ["/a/b"]
    assert await watch.changes() == set()


async def test_a_watch_that_cannot_be_registered_again_raises() -> None:
    watch = made()
    watch.end(XenStoreError("refused", errno_name="EACCES"))
    with pytest.raises(XenStoreError):
        await anext(watch)
