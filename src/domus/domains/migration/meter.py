"""How far a move is, for people: what goes over the wire, how fast, and how long it will take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from domus.domains.frames import Packer
from domus.domains.migration.rounds import Rounds

_TELL_EVERY: Final = 0.5
MEBIBYTE: Final = 1 << 20


@asynccontextmanager
async def telling(tell: Callable[[], None]) -> AsyncIterator[None]:
    """Call `tell` from time to time while the block lasts."""

    async def often() -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            tell()

    task = asyncio.create_task(often(), name="progress")
    try:
        yield
    finally:
        task.cancel()


class Meter:
    """Tells from time to time.

    Args:
        memory_kib: what the domain has.
        say: takes a sentence and how much is done, 0..1.
    """

    def __init__(
        self, packer: Packer, rounds: Rounds, memory_kib: int, say: Callable[[str, float], None]
    ) -> None:
        self.rounds = rounds
        self.held = False  #: the domain is paused for its last round
        self._packer = packer
        self._size = max(memory_kib, 1) * 1024
        self._say = say
        self._disks = ("", 0.0)
        self._memory = False
        self._former = (time.monotonic(), 0, 0)  # moment, bytes taken, bytes sent

    def of_disks(self, told: str, done: float) -> None:
        """What happens to disks. From any thread."""
        self._disks = (told, done)

    def memory_begins(self) -> None:
        """From now on it is about memory."""
        self._memory = True
        self._disks = ("", 0.0)

    def telling(self) -> AbstractAsyncContextManager[None]:
        """Tell while the block lasts."""
        return telling(self._tell)

    def _tell(self) -> None:
        then, taken_then, sent_then = self._former
        now, taken, sent = time.monotonic(), self._packer.taken, self._packer.sent
        self._former = (now, taken, sent)
        wire = (sent - sent_then) / (now - then) / MEBIBYTE
        told, done = self._disks
        if told:
            self._say(f"{told}, {wire:.1f} MiB/s on the wire", done)
        elif self._memory:
            rate = (taken - taken_then) / (now - then)
            done = min(taken / self._size, 1.0)
            left = f", {(self._size - taken) / rate:.0f} s left" if rate and done < 1 else ""
            again = self._again()
            memory = f"{rate / MEBIBYTE:.1f} MiB/s, {wire:.1f} on the wire"
            self._say(f"sending its memory: {memory}{left}{again}", done)

    def _again(self) -> str:
        if self.rounds.number < 2:
            return ""
        if self.held:
            return f", round {self.rounds.number}, for which it is paused"
        changed = self.rounds.changed
        rate = f", the guest changes {changed / MEBIBYTE:.1f} MiB/s" if changed else ""
        return f", round {self.rounds.number}{rate}"
