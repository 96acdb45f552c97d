"""Watches: which paths changed since one last looked."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, Self

from domus.model.errors import DomusError

#: more changed paths than this become one: the watched path itself. A guest can make as many nodes as
#: its quota allows, and must not make our memory grow.
CHANGES_MAX: Final = 4096


class Watching(Protocol):
    """Who registers watches with xenstored: the store."""

    async def start_watch(self, watch: Watch) -> None:
        """Register it; it fires once when that is done."""

    def stop_watch(self, watch: Watch) -> None:
        """Forget it; may be called twice."""


class Watch:
    """The set of paths that changed at or under one path; made by `XenStore.watch`.

    async with store.watch("/local/domain/0/backend") as watch:
        async for path in watch:
            ...

    It says *that* something changed, never what: read the node. Many changes of one path between two
    looks are one. It fires once with its own path when it begins, and again whenever the connection was
    lost in between (anything may have changed meanwhile). One task at a time may wait for it.
    """

    def __init__(self, store: Watching, path: str, token: str) -> None:
        self.path = path
        self.token = token
        self._store = store
        self._changed: dict[str, None] = {}  # a set that keeps the order
        self._awake = asyncio.Event()
        self._error: DomusError | None = None
        self._ended = False

    async def __aenter__(self) -> Self:
        await self._store.start_watch(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._store.stop_watch(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """The path that changed longest ago; ends when the store or the watch is closed."""
        if not await self._wait():
            raise StopAsyncIteration
        path = next(iter(self._changed))
        del self._changed[path]
        return path

    async def changes(self) -> set[str]:
        """All paths that changed, as soon as there is one; empty when the watch has ended."""
        await self._wait()
        return self.take()

    def take(self) -> set[str]:
        """The paths that changed up to now, possibly none."""
        changed = set(self._changed)
        self._changed.clear()
        return changed

    async def _wait(self) -> bool:
        """Wait for a change; False: there will be none."""
        while not self._changed:
            if self._error is not None:
                raise self._error
            if self._ended:
                return False
            self._awake.clear()
            await self._awake.wait()
        return True

    def fire(self, path: str) -> None:
        """`path` has changed. For the store."""
        if len(self._changed) >= CHANGES_MAX and path not in self._changed:
            self._changed.clear()
            path = self.path
        self._changed[path] = None
        self._awake.set()

    def end(self, error: DomusError | None = None) -> None:
        """Nothing more will come; waiting ends, with `error` if there is one. For the store."""
        self._ended = True
        self._error = self._error or error
        self._awake.set()
