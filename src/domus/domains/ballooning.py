"""Room for domains: what is free, and what domain 0 gives up when that is not enough.

As `xl` with its autoballoon (xl.conf(5)): domain 0 is asked to give memory unless the administrator says no
or has given it a fixed amount with Xen's `dom0_mem=`. Beyond `xl`: several domains are built at once without
taking each other's room, what was given for a domain that could not be built comes back, and domain 0 is
never asked for what its kernel has no use of its own for, but needs.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from domus.domains.journal import DomainZeroBack, UndoRecord
from domus.model.errors import NoCapacity
from domus.model.names import DOM0

if TYPE_CHECKING:
    from domus.domains.operations import OperationHandle
    from domus.domains.worker import Workers
    from domus.xen.libxl import Libxl

#: MiB; libxl lets domain 0 have no less (libxl.h, LIBXL_MIN_DOM0_MEM)
DOM0_MIN_MIB: Final = 128
#: KiB that domain 0's kernel keeps of what it could give, so that its programs go on
_SPARE_KIB: Final = 64 << 10
#: KiB more than is missing, for what rounding loses on the way
_MORE_KIB: Final = 1 << 10

#: s without a page from domain 0 after which it is not going to give more
_STUCK_AFTER: Final = 20.0
_LOOK_EVERY: Final = 0.05

_MEMINFO: Final = Path("/proc/meminfo")


class Room(NamedTuple):
    """Memory of this host in KiB, as it was just now."""

    free: int  #: what Xen has for new domains, less what is promised to those under way
    givable: int  #: what domain 0 could give beside that
    target: int  #: what domain 0 is meant to have


class Ballooning:
    """The memory that new domains, and those that grow, are given. For the event loop."""

    def __init__(self, libxl: Libxl, workers: Workers) -> None:
        self._libxl = libxl
        self._workers = workers
        self.min_mib = 0  #: MiB that domain 0 keeps at least, xend's `dom0-min-mem`
        #: domain 0 gives memory, xend's `enable-dom0-ballooning`; None: unless Xen gave it a fixed amount
        self.enabled: bool | None = None
        self._fixed: bool | None = None
        self._queue = asyncio.Lock()
        self._promised: dict[str, int] = {}  #: KiB of domains that are being built, by uuid
        self._settled = asyncio.Event()

    @property
    def floor_mib(self) -> int:
        """MiB below which domain 0 is not brought."""
        return max(self.min_mib, DOM0_MIN_MIB)

    @asynccontextmanager
    async def room(
        self, operation: OperationHandle[UndoRecord], uuid: str, name: str, need_kib: int
    ) -> AsyncIterator[None]:
        """Have `need_kib` free for a domain that takes them while the block lasts.

        What domain 0 gave up is its own again if the operation fails.

        Raises:
            NoCapacity: there is not that much, and domain 0 cannot give it.
        """
        async with self._queue:
            while need_kib > (room := await self._workers.call(self._look)).free:
                missing_kib = need_kib - room.free
                if missing_kib <= room.givable:
                    await self._take(operation, need_kib, missing_kib, room)
                    break
                if not self._promised:
                    raise _too_little(name, need_kib, room)
                # What the others do not take after all may be enough.
                operation.say("waiting for memory: other domains are being built")
                self._settled.clear()
                await self._settled.wait()
            self._promised[uuid] = need_kib
        try:
            yield
        finally:
            del self._promised[uuid]
            self._settled.set()

    def obtainable_kib(self) -> int:
        """KiB that a new domain could have now, from domain 0 too. Blocks."""
        room = self._look()
        return max(0, room.free) + room.givable

    async def undo(self, record: DomainZeroBack) -> None:
        """Give domain 0 back what it gave, unless somebody has changed its target since."""
        if await self._workers.call(self._libxl.memory_target_kib, DOM0) == record.gave_kib:
            await self._workers.call(self._libxl.set_memory_target, DOM0, record.was_kib)

    async def _take(
        self, operation: OperationHandle[UndoRecord], need_kib: int, missing_kib: int, room: Room
    ) -> None:
        target = max(room.target - missing_kib - _MORE_KIB, self.floor_mib << 10)
        text = f"taking {-(-missing_kib // 1024)} MiB from domain 0"
        async with operation.step(text, undo=DomainZeroBack(was_kib=room.target, gave_kib=target)):
            await self._workers.call(self._libxl.set_memory_target, DOM0, target)
            free, last = room.free, time.monotonic()
            while free < need_kib:
                await asyncio.sleep(_LOOK_EVERY)
                now = (await self._workers.call(self._look)).free
                if now > free:
                    free, last = now, time.monotonic()
                elif time.monotonic() - last > _STUCK_AFTER:
                    raise NoCapacity(
                        f"domain 0 was asked for {missing_kib >> 10} MiB and gave"
                        f" {max(0, missing_kib - (need_kib - free)) >> 10}",
                        hint="end another domain, or give domain 0 less to do",
                    )

    def _look(self) -> Room:
        awaited = 0
        if promised := [*self._promised.items()]:
            # A domain that is being built has some of what it was promised already.
            had = {each["uuid"]: int(each["current_memkb"]) for each in self._libxl.list_domains()}
            awaited = sum(max(0, kib - had.get(uuid, 0)) for uuid, kib in promised)
        target = self._libxl.memory_target_kib(DOM0)
        free = self._libxl.free_memory_kib() - awaited
        if not self.gives():
            return Room(free, 0, target)
        kept = self.floor_mib << 10
        return Room(free, max(0, min(target - kept, _available_kib() - _SPARE_KIB) - _MORE_KIB), target)

    def gives(self) -> bool:
        """Domain 0 is asked for memory when too little is free. Blocks."""
        if self.enabled is not None:
            return self.enabled
        if self._fixed is None:
            # xl's rule for "auto" (xl.c, auto_autoballoon)
            words = str(self._libxl.version().get("commandline") or "")
            self._fixed = re.search(r"(^|\s)dom0_mem=", words) is not None
        return not self._fixed


def _available_kib() -> int:
    for line in _MEMINFO.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return 0


def _too_little(name: str, need_kib: int, room: Room) -> NoCapacity:
    free = max(0, room.free) >> 10
    more = f" and domain 0 can give {room.givable >> 10}" if room.givable else ""
    return NoCapacity(
        f"domain {name!r} needs {-(-need_kib // 1024)} MiB, {free} MiB are free{more}",
        hint="give it less memory, or end another domain",
    )
