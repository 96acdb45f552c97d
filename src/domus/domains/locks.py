"""One lock per domain: two operations never work on the same one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from domus.model.errors import Busy


class DomainLocks:
    """Locks by key, which is a domain's uuid, or the name that a new one wants."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self._freed = asyncio.Event()

    def take(self, *keys: str, domain: str, doing: str) -> None:
        """Take locks, all or none.

        Args:
            domain: its name, for the error.
            doing: what for, as in "it is being created".

        Raises:
            Busy: one is taken; the message says what for.
        """
        self.check(*keys, domain=domain)
        self._held |= dict.fromkeys(keys, doing)

    def check(self, *keys: str, domain: str) -> None:
        """Raise Busy, as `take` does, if one is taken."""
        for key in keys:
            if (other := self._held.get(key)) is not None:
                raise Busy(f"domain '{domain}' is busy: {other}", hint="try again when that has ended")

    def release(self, *keys: str) -> None:
        """Give locks back."""
        for key in keys:
            del self._held[key]
        freed, self._freed = self._freed, asyncio.Event()
        freed.set()

    @contextmanager
    def hold(self, *keys: str, domain: str, doing: str) -> Iterator[None]:
        """Hold locks while the block lasts; as `take`."""
        self.take(*keys, domain=domain, doing=doing)
        try:
            yield
        finally:
            self.release(*keys)

    async def wait_free(self, *keys: str) -> None:
        """Wait until all of them are free."""
        while any(key in self._held for key in keys):
            await self._freed.wait()

    async def take_when_free(self, *keys: str, domain: str, doing: str) -> None:
        """Take locks, once all of them are free."""
        await self.wait_free(*keys)
        self.take(*keys, domain=domain, doing=doing)

    def is_held(self, key: str) -> bool:
        """Somebody works on it."""
        return key in self._held

    def doing(self, key: str) -> str:
        """What somebody works on it for, as `take` was told; empty: nobody does."""
        return self._held.get(key, "")
