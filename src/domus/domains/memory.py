"""Memory of running domains: how much they shall have, how much they may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domus.domains.events import EventKind
from domus.model.errors import BadInput, NoCapacity
from domus.model.memory import MemoryRequest, MemoryUse
from domus.model.names import DOM0

if TYPE_CHECKING:
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo

#: MiB; libxl lets domain 0 have no less (libxl.h, LIBXL_MIN_DOM0_MEM)
DOM0_MIN_MIB: Final = 128

_TOO_SMALL: Final = "memory_dynamic_max too small"
_MOST_MIB: Final = 1 << 33  # 8 PiB: its KiB still fit into libxl's 64 bits


class Memory:
    """The memory of this host's domains. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.dom0_min_mib = 0  #: MiB that domain 0 is left with at least, xend's `dom0-min-mem`

    async def set(self, reference: str, request: MemoryRequest, *, who: str) -> None:
        """Set the balloon's target, the limit, or both. The guest takes its time to get there.

        Raises:
            DomainNotFound, WrongState (it has ended), Busy.
            BadInput: less than a domain can have, or a target above the limit.
            NoCapacity: the host has not that much free memory.
        """
        info, domid = await self._parts.started(reference)
        for mib in (request.target_mib, request.max_mib):
            if mib is not None and mib > _MOST_MIB:
                raise BadInput(f"no host has {mib} MiB")
        with self._parts.locks.hold(info.uuid, domain=info.name, doing="its memory is being set"):
            # libxl writes down how much domain 0 has when it is first asked; until then it knows no limit.
            target_kib = await self._parts.workers.call(self._parts.libxl.memory_target_kib, domid)
            if request.max_mib is not None:
                await self._set_max(info, domid, request.max_mib, target_kib)
                self._parts.tell(
                    EventKind.DOMAIN_CHANGED, info, what="maxmem", mib=str(request.max_mib), who=who
                )
            if request.target_mib is not None:
                await self._set_target(info, domid, request.target_mib)
                self._parts.tell(
                    EventKind.DOMAIN_CHANGED, info, what="memory", mib=str(request.target_mib), who=who
                )

    async def _set_max(self, info: DomainInfo, domid: int, mib: int, target_kib: int) -> None:
        if mib < 1:
            raise BadInput("memory_static_max too small")
        if mib << 10 < target_kib:
            raise BadInput(
                "memory_static_max must be greater than or equal to memory_dynamic_max",
                hint=f"'{info.name}' is meant to have {target_kib >> 10} MiB; lower that with xm mem-set",
            )
        await self._parts.workers.call(self._parts.libxl.set_max_memory, domid, mib << 10)

    async def _set_target(self, info: DomainInfo, domid: int, mib: int) -> None:
        least = max(self.dom0_min_mib, DOM0_MIN_MIB) if domid == DOM0 else 1
        if mib < least:
            hint = f"Domain-0 keeps {least} MiB: dom0-min-mem" if domid == DOM0 else ""
            raise BadInput(_TOO_SMALL, hint=hint)
        most_kib = await self._static_max_kib(domid)
        if most_kib is not None and mib << 10 > most_kib:
            raise BadInput(
                "memory_dynamic_max must be less than or equal to memory_static_max",
                hint=f"'{info.name}' was made for {most_kib >> 10} MiB at the most: its maxmem",
            )
        free_kib = await self._parts.workers.call(self._parts.libxl.free_memory_kib)
        more_kib = (mib << 10) - info.memory_kib
        if more_kib > free_kib:
            # xm's words; domain 0 is not made smaller here for the sake of another domain.
            raise NoCapacity(
                "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more."
                f"  I need {more_kib} KiB but only have {free_kib}.",
                hint="xm mem-set makes other domains smaller, Domain-0 too",
            )
        await self._parts.workers.call(self._parts.libxl.set_memory_target, domid, mib << 10)

    async def _static_max_kib(self, domid: int) -> int | None:
        text = await self._parts.store.read_text(f"/local/domain/{domid}/memory/static-max")
        return int(text) if text and text.isascii() and text.isdecimal() else None

    async def use(self) -> list[MemoryUse]:
        """Shared and claimed memory of all domains, sorted by name."""
        infos = await self._parts.listing.list()
        found = {
            each["domid"]: each for each in await self._parts.workers.call(self._parts.libxl.list_domains)
        }
        return [
            MemoryUse(
                name=info.name,
                domid=info.domid,
                uuid=info.uuid,
                memory_kib=info.memory_kib,
                shared_kib=int(found[info.domid]["shared_memkb"]),
                claimed_kib=int(found[info.domid]["outstanding_memkb"]),
            )
            for info in infos
            if info.domid is not None and info.domid in found
        ]
