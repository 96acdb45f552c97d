"""Parameters of the schedulers: shown and set, for domains and for whole cpupools."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from domus.domains.carry_out import carry_out
from domus.domains.changes import ConfigChange
from domus.domains.events import EventKind
from domus.domains.journal import KeepChange, SchedulingBack
from domus.model import machine
from domus.model.errors import BadInput, DomainNotFound, LibxlError, NotFound, WrongState
from domus.model.scheduling import (
    DomainScheduling,
    PoolScheduling,
    PoolSchedulingRequest,
    SchedulingRequest,
    VcpuScheduling,
)

if TYPE_CHECKING:
    from domus.domains.build import Handle
    from domus.domains.keeping import Keeping
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo

#: the parameters that domains have under each scheduler: our field by libxl's member
_OF_DOMAINS: Final = {
    "credit": {"weight": "weight", "cap": "cap"},
    "credit2": {"weight": "weight", "cap": "cap"},
    "rtds": {"period": "period_us", "budget": "budget_us", "extratime": "extratime"},
}

#: and those that cpupools have
_OF_POOLS: Final = {
    "credit": {
        "tslice_ms": "timeslice_ms",
        "ratelimit_us": "ratelimit_us",
        "vcpu_migr_delay_us": "migration_delay_us",
    },
    "credit2": {"ratelimit_us": "ratelimit_us"},
}

_MOST_WEIGHT: Final = 65535


class Scheduling:
    """The schedulers of this host's cpupools. For the event loop."""

    def __init__(self, parts: Parts, keeping: Keeping) -> None:
        self._parts = parts
        self._keeping = keeping

    async def table(self) -> list[PoolScheduling]:
        """Each cpupool with its domains, by number."""
        infos = await self._parts.listing.list()
        return await self._parts.workers.call(self._read, infos)

    def _read(self, infos: list[DomainInfo]) -> list[PoolScheduling]:
        libxl = self._parts.libxl
        pools = {each["poolid"]: each for each in libxl.list_cpupools()}
        members: dict[int, list[DomainScheduling]] = {number: [] for number in pools}
        pool_of = {each["domid"]: each["cpupool"] for each in libxl.list_domains()}
        for info in infos:
            pool = pools.get(pool_of.get(info.domid, -1))
            if pool is None or info.domid is None:
                continue
            try:
                members[pool["poolid"]].append(self._of_domain(info, info.domid, str(pool["sched"])))
            except (DomainNotFound, LibxlError):
                continue  # it went while we looked
        return [
            PoolScheduling(
                pool=number,
                name=str(pool["pool_name"]),
                scheduler=str(pool["sched"]),
                domains=tuple(members[number]),
                **self._of_pool(number, str(pool["sched"])),
            )
            for number, pool in pools.items()
        ]

    def _of_domain(self, info: DomainInfo, domid: int, scheduler: str) -> DomainScheduling:
        fields: dict[str, Any] = {}
        if scheduler in _OF_DOMAINS:
            found = self._parts.libxl.domain_scheduling(domid)
            fields = {ours: found.get(theirs, 0) for theirs, ours in _OF_DOMAINS[scheduler].items()}
        if scheduler == "rtds":
            fields["extratime"] = bool(fields["extratime"])
            fields["vcpus"] = tuple(map(_of_vcpu, self._parts.libxl.vcpu_scheduling(domid)))
        return DomainScheduling(name=info.name, domid=domid, uuid=info.uuid, **fields)

    def _of_pool(self, number: int, scheduler: str) -> dict[str, int]:
        if scheduler not in _OF_POOLS:
            return {}
        found = self._parts.libxl.pool_scheduling(number, scheduler)
        return {ours: int(found.get(theirs, 0)) for theirs, ours in _OF_POOLS[scheduler].items()}

    async def set_domain(self, reference: str, request: SchedulingRequest, *, who: str) -> None:
        """Change parameters of a domain, or of some of its VCPUs.

        Raises:
            DomainNotFound, Busy.
            WrongState: it has ended, or its cpupool has another scheduler, or it is to be kept so and the
                domain is not managed.
            BadInput: a value is out of its range, or its scheduler has no such parameter.
        """
        info = await self._parts.get(reference)
        if info.domid is None and request.persist:
            await self._only_kept(info, request, who)
            return
        info, domid = await self._parts.started(reference)
        scheduler = await self._parts.workers.call(self._scheduler_of, domid)
        _check_scheduler(request.scheduler, scheduler, f"'{info.name}' is in cpupool {info.cpupool}")
        wanted = self._checked(info, request)
        keep = await self._planned(info, request, wanted, who)

        async def body(operation: Handle) -> None:
            before = await self._parts.workers.call(self._before, info.uuid, domid, scheduler)
            async with operation.step("setting parameters of its scheduler", undo=before):
                await self._parts.workers.call(self._set, domid, scheduler, wanted, request.vcpus)
            await self._keeping.commit(operation, keep)

        await carry_out(
            self._parts,
            f"sched-{scheduler}",
            body,
            lock=info.uuid,
            name=info.name,
            doing="its scheduling is being set",
            who=who,
            domain=info.name,
            uuid=info.uuid,
        )
        self._parts.tell(EventKind.DOMAIN_CHANGED, info, what="scheduling", who=who)

    def _checked(self, info: DomainInfo, request: SchedulingRequest) -> dict[str, Any]:
        """What is wanted of a domain, by libxl's names; refused when it cannot be."""
        wanted = _wanted(request, _OF_DOMAINS.get(request.scheduler, {}))
        check_ranges(wanted, request.scheduler, info.max_vcpus)
        for vcpu in request.vcpus:
            if not 0 <= vcpu.vcpu < info.max_vcpus:
                raise BadInput(f"'{info.name}' has no VCPU {vcpu.vcpu}", hint=f"it has {info.max_vcpus}")
        if bool(wanted) is bool(request.vcpus):
            raise BadInput("parameters of the domain, or of some of its VCPUs: one of them")
        if request.persist and request.vcpus:
            raise BadInput("a configuration has no parameters of single VCPUs: they cannot be kept")
        return wanted

    async def _planned(
        self, info: DomainInfo, request: SchedulingRequest, wanted: dict[str, Any], who: str
    ) -> KeepChange:
        return await self._keeping.planned(
            info,
            ConfigChange(scheduling=machine.Scheduling(**wanted)),
            persist=request.persist,
            who=who,
            what=f"sched-{request.scheduler} " + " ".join(f"{key}={value}" for key, value in wanted.items()),
        )

    async def _only_kept(self, info: DomainInfo, request: SchedulingRequest, who: str) -> None:
        """Change a managed domain that does not run; the scheduler that it will have is not known."""
        wanted = self._checked(info, request)
        await self._keeping.only(info, await self._planned(info, request, wanted, who))

    def _before(self, uuid: str, domid: int, scheduler: str) -> SchedulingBack:
        found = self._parts.libxl.domain_scheduling(domid)
        parameters = {name: int(found.get(name, 0)) for name in _OF_DOMAINS.get(scheduler, ())}
        vcpus = self._parts.libxl.vcpu_scheduling(domid) if scheduler == "rtds" else []
        return SchedulingBack(
            uuid,
            domid,
            {"sched": scheduler, **parameters},
            tuple(_for_libxl(_of_vcpu(each)) for each in vcpus),
        )

    def _set(
        self, domid: int, scheduler: str, wanted: dict[str, Any], vcpus: tuple[VcpuScheduling, ...]
    ) -> None:
        if vcpus:
            self._parts.libxl.set_vcpu_scheduling(domid, [_for_libxl(each) for each in vcpus])
        if wanted:
            self._parts.libxl.set_domain_scheduling(domid, {"sched": scheduler, **wanted})

    async def undo(self, record: SchedulingBack) -> None:
        """Set parameters as they were; harmless when the domain has gone."""
        await self._parts.workers.call(self._set_back, record)

    def _set_back(self, record: SchedulingBack) -> None:
        found = self._parts.libxl.domain_info(record.domid)
        if found is None or found["uuid"] != record.uuid:
            return
        with suppress(DomainNotFound):
            self._parts.libxl.set_domain_scheduling(record.domid, dict(record.parameters))
            if record.vcpus:
                self._parts.libxl.set_vcpu_scheduling(record.domid, list(record.vcpus))

    def _scheduler_of(self, domid: int) -> str:
        info = self._parts.libxl.domain_info(domid)
        if info is None:
            raise DomainNotFound(f"Domain '{domid}' does not exist.")
        pools = self._parts.libxl.list_cpupools()
        return next((str(pool["sched"]) for pool in pools if pool["poolid"] == info["cpupool"]), "unknown")

    async def set_pool(self, reference: str, request: PoolSchedulingRequest, *, who: str) -> None:
        """Change parameters of a cpupool, given by name or number.

        Raises:
            NotFound: there is no such cpupool.
            WrongState: it has another scheduler.
            LibxlError: a value is out of its range.
        """
        pools = await self._parts.workers.call(self._parts.libxl.list_cpupools)
        pool = next((each for each in pools if reference in (str(each["poolid"]), each["pool_name"])), None)
        if pool is None:
            raise NotFound(f"Pool '{reference[:128]}' does not exist.")
        scheduler = str(pool["sched"])
        _check_scheduler(request.scheduler, scheduler, f"of cpupool {pool['pool_name']}")
        wanted = _wanted(request, _OF_POOLS.get(scheduler, {}))
        if not wanted:
            raise BadInput("no parameter is given")
        await self._parts.workers.call(
            self._parts.libxl.set_pool_scheduling, pool["poolid"], scheduler, wanted
        )
        self._parts.events.publish(EventKind.CPUPOOL_CHANGED, cpupool=str(pool["pool_name"]), who=who)


def check_ranges(wanted: dict[str, Any], scheduler: str, vcpus: int) -> None:
    """Refuse values that Xen refuses, in xm's words.

    Args:
        wanted: by libxl's names.
        vcpus: how many the domain has.

    Raises:
        BadInput: one is out of its range.
    """
    weight, cap = wanted.get("weight"), wanted.get("cap")
    if weight is not None and not 1 <= weight <= _MOST_WEIGHT:
        if scheduler == "credit2":
            raise BadInput("weight is out of range", hint=f"from 1 to {_MOST_WEIGHT}")
        raise BadInput(f"Cpu weight out of range, valid values are within range from 1 to {_MOST_WEIGHT}")
    if cap is not None and not 0 <= cap <= vcpus * 100:
        raise BadInput(
            f"Cpu cap out of range, valid range is from 0 to {vcpus * 100} for specified number of vcpus"
        )
    period, budget = wanted.get("period"), wanted.get("budget")
    if (period is not None and period < 1) or (budget is not None and budget < 1):
        raise BadInput("period and budget are microseconds from 1 on")


def _check_scheduler(wanted: str, found: str, where: str) -> None:
    if wanted != found:
        raise WrongState(f"Xen is running with the {found} scheduler", hint=where)


def _wanted(request: SchedulingRequest | PoolSchedulingRequest, known: dict[str, str]) -> dict[str, Any]:
    """The parameters that a request gives, by libxl's names.

    Raises:
        BadInput: the scheduler has no such parameter.
    """
    ours = {name: getattr(request, name) for name in request.__struct_fields__}
    given = {
        name: value
        for name, value in ours.items()
        if name not in ("scheduler", "vcpus", "persist") and value is not None
    }
    strange = sorted(given.keys() - set(known.values()))
    if strange:
        raise BadInput(f"the {request.scheduler} scheduler has no {strange[0]}")
    return {theirs: int(given[name]) for theirs, name in known.items() if name in given}


def _of_vcpu(found: dict[str, Any]) -> VcpuScheduling:
    return VcpuScheduling(
        vcpu=int(found.get("vcpuid", 0)),
        period_us=int(found.get("period", 0)),
        budget_us=int(found.get("budget", 0)),
        extratime=bool(found.get("extratime", 0)),
    )


def _for_libxl(vcpu: VcpuScheduling) -> dict[str, int]:
    return {
        "vcpuid": vcpu.vcpu,
        "period": vcpu.period_us,
        "budget": vcpu.budget_us,
        "extratime": int(vcpu.extratime),
    }
