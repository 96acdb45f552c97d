"""Memory of running domains: how much they shall have, how much they may have."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from domus.domains.carry_out import carry_out
from domus.domains.changes import ConfigChange
from domus.domains.events import EventKind
from domus.domains.journal import MemoryBack
from domus.model.errors import BadInput, DomainNotFound, NoCapacity
from domus.model.memory import MemoryRequest, MemoryUse
from domus.model.names import DOM0

if TYPE_CHECKING:
    from domus.domains.build import Handle
    from domus.domains.keeping import Keeping
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo

_TOO_SMALL: Final = "memory_dynamic_max too small"
_MOST_MIB: Final = 1 << 33  # 8 PiB: its KiB still fit into libxl's 64 bits
#: KiB that libxl lets a domain own beyond what it is told (libxl_internal.h, LIBXL_MAXMEM_CONSTANT)
_SLACK_KIB: Final = 1024


class Memory:
    """The memory of this host's domains. For the event loop."""

    def __init__(self, parts: Parts, keeping: Keeping) -> None:
        self._parts = parts
        self._keeping = keeping

    async def set(self, reference: str, request: MemoryRequest, *, who: str) -> None:
        """Set the balloon's target, the limit, or both. The guest takes its time to get there.

        A managed domain that does not run is only configured so, if that is what is asked for.

        Raises:
            DomainNotFound, WrongState (it has ended, or is to be kept so and not managed), Busy.
            BadInput: less than a domain can have, or a target above the limit.
            NoCapacity: the host has not that much free memory.
        """
        for mib in (request.target_mib, request.max_mib):
            if mib is not None and mib > _MOST_MIB:
                raise BadInput(f"no host has {mib} MiB")
        info = await self._parts.get(reference)
        keep = await self._keeping.planned(
            info,
            ConfigChange(memory_mib=request.target_mib, maxmem_mib=request.max_mib),
            persist=request.persist,
            who=who,
            what=_described(request),
        )
        if info.domid is None and request.persist:
            _check_least(request)
            await self._keeping.only(info, keep)
            return
        info, domid = await self._parts.started(reference)

        async def body(operation: Handle) -> None:
            await self._set(operation, info, domid, request, who)
            await self._keeping.commit(operation, keep)

        await carry_out(
            self._parts,
            "memory",
            body,
            lock=info.uuid,
            name=info.name,
            doing="its memory is being set",
            who=who,
            domain=info.name,
            uuid=info.uuid,
        )

    async def _set(
        self, operation: Handle, info: DomainInfo, domid: int, request: MemoryRequest, who: str
    ) -> None:
        # libxl writes down how much domain 0 has when it is first asked; until then it knows no limit.
        target_kib = await self._parts.workers.call(self._parts.libxl.memory_target_kib, domid)
        target_kib += await self._video_kib(domid)
        undo = MemoryBack(info.uuid, domid, target_kib, info.max_kib)
        async with operation.step("setting its memory", undo=undo):
            if request.max_mib is not None:
                await self._set_max(info, domid, request.max_mib, target_kib)
                self._parts.tell(
                    EventKind.DOMAIN_CHANGED, info, what="maxmem", mib=str(request.max_mib), who=who
                )
            if request.target_mib is not None:
                await self._set_target(operation, info, domid, request.target_mib)
                self._parts.tell(
                    EventKind.DOMAIN_CHANGED, info, what="memory", mib=str(request.target_mib), who=who
                )

    async def undo(self, record: MemoryBack) -> None:
        """Let a domain have what it had; harmless when it is gone, or nothing was changed."""
        await self._parts.workers.call(self._back, record, await self._video_kib(record.domid))

    def _back(self, record: MemoryBack, video_kib: int) -> None:
        libxl = self._parts.libxl
        found = libxl.domain_info(record.domid)
        if found is None or found["uuid"] != record.uuid:
            return
        with suppress(DomainNotFound):
            if libxl.memory_target_kib(record.domid) + video_kib != record.target_kib:
                libxl.set_memory_target(record.domid, record.target_kib)
            if int(found.get("max_memkb", 0)) != record.max_kib:
                libxl.set_max_memory(record.domid, max(record.max_kib - _SLACK_KIB, record.target_kib))

    async def _set_max(self, info: DomainInfo, domid: int, mib: int, target_kib: int) -> None:
        if mib < 1:
            raise BadInput("memory_static_max too small")
        if mib << 10 < target_kib:
            raise BadInput(
                "memory_static_max must be greater than or equal to memory_dynamic_max",
                hint=f"'{info.name}' is meant to have {target_kib >> 10} MiB; lower that with xm mem-set",
            )
        await self._parts.workers.call(self._parts.libxl.set_max_memory, domid, mib << 10)

    async def _set_target(self, operation: Handle, info: DomainInfo, domid: int, mib: int) -> None:
        least = self._parts.ballooning.floor_mib if domid == DOM0 else 1
        if mib < least:
            hint = f"Domain-0 keeps {least} MiB: dom0-min-mem" if domid == DOM0 else ""
            raise BadInput(_TOO_SMALL, hint=hint)
        most_kib = await self._static_max_kib(domid)
        if most_kib is not None and mib << 10 > most_kib:
            raise BadInput(
                "memory_dynamic_max must be less than or equal to memory_static_max",
                hint=f"'{info.name}' was made for {most_kib >> 10} MiB at the most: its maxmem",
            )
        more_kib = (mib << 10) - info.memory_kib
        if domid == DOM0:
            await self._check_free(more_kib)
            await self._parts.workers.call(self._parts.libxl.set_memory_target, domid, mib << 10)
            return
        if not await self._parts.workers.call(self._parts.ballooning.gives):
            await self._check_free(more_kib)
        async with self._parts.ballooning.room(operation, info.uuid, info.name, max(0, more_kib)):
            await self._parts.workers.call(self._parts.libxl.set_memory_target, domid, mib << 10)

    async def _check_free(self, more_kib: int) -> None:
        free_kib = await self._parts.workers.call(self._parts.libxl.free_memory_kib)
        if more_kib > free_kib:
            raise NoCapacity(  # xm's words
                "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more."
                f"  I need {more_kib} KiB but only have {free_kib}.",
                hint="xm mem-set makes other domains smaller, Domain-0 too",
            )

    async def _static_max_kib(self, domid: int) -> int | None:
        return await self._node_kib(domid, "static-max")

    async def _video_kib(self, domid: int) -> int:
        """What libxl takes out of each target that it is told (libxl_mem.c, libxl_set_memory_target)."""
        return await self._node_kib(domid, "videoram") or 0

    async def _node_kib(self, domid: int, name: str) -> int | None:
        text = await self._parts.store.read_text(f"/local/domain/{domid}/memory/{name}")
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


def _check_least(request: MemoryRequest) -> None:
    if request.target_mib is not None and request.target_mib < 1:
        raise BadInput(_TOO_SMALL)
    if request.max_mib is not None and request.max_mib < 1:
        raise BadInput("memory_static_max too small")


def _described(request: MemoryRequest) -> str:
    target = "" if request.target_mib is None else f"mem-set {request.target_mib}"
    most = "" if request.max_mib is None else f"mem-max {request.max_mib}"
    return " ".join(filter(None, (target, most)))
