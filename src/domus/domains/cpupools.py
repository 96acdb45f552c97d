"""Cpupools: made, filled, emptied and taken away; those that xend keeps are defined before they are."""

from __future__ import annotations

import builtins
import uuid as uuids
from typing import TYPE_CHECKING, Any

import msgspec

from domus.domains.carry_out import carry_out
from domus.domains.cpupool_steps import check_free, free_cpus, free_number, take_back
from domus.domains.events import EventKind
from domus.domains.journal import DestroyCpupool, RenameCpupool, ReturnCpus, UndoRecord
from domus.domains.kept_table import KeptTable
from domus.domains.topology import cpus_of, host_topology
from domus.model.cpupool import (
    CpupoolConfig,
    CpupoolInfo,
    check_cpupool_name,
    check_scheduler,
)
from domus.model.errors import (
    AlreadyExists,
    BadInput,
    Forbidden,
    InUse,
    LibxlError,
    NotFound,
    WrongState,
)
from domus.model.names import DOM0

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from domus.domains.operations import OperationHandle
    from domus.domains.parts import Parts

Pool = dict[str, Any]  #: libxl_cpupoolinfo

#: the cpupool that Xen has from its start on; it cannot be taken away
FIRST_POOL = 0

#: all changes of cpupools wait for each other: what is free for one is not for the next
_LOCK = "cpupools"


class Cpupools:
    """The cpupools of this host. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kept = KeptTable(parts.database, "cpupool", CpupoolConfig)

    # Looking

    async def list(self) -> builtins.list[CpupoolInfo]:
        """All that Xen has by their numbers, then those that are only defined, by name."""
        infos = await self._parts.listing.list()
        pools, pool_of, uuid_of = await self._parts.workers.call(self._read)
        uuids_found = await self._parts.store.read_many([f"/local/pool/{number}/uuid" for number in uuid_of])
        uuid_of = {
            number: (text or b"")[:36].decode("ascii", "replace")
            for number, text in zip(uuid_of, uuids_found, strict=True)
        }
        kept = await self._kept.all()
        active = [
            CpupoolInfo(
                name=str(pool["pool_name"]),
                pool=int(pool["poolid"]),
                uuid=uuid_of[pool["poolid"]],
                scheduler=str(pool["sched"]),
                cpus=tuple(sorted(pool["cpumap"])),
                domains=tuple(info.name for info in infos if pool_of.get(info.domid) == pool["poolid"]),
                managed=pool["pool_name"] in kept,
                wanted=kept.pop(str(pool["pool_name"]), None),
            )
            for pool in pools
        ]
        defined = [
            CpupoolInfo(name=name, scheduler=config.scheduler, managed=True, wanted=config)
            for name, config in sorted(kept.items())
        ]
        return [*active, *defined]

    def _read(self) -> tuple[builtins.list[Pool], dict[int | None, int], dict[int, str]]:
        pools = self._parts.libxl.list_cpupools()
        domains = self._parts.libxl.list_domains()
        return (
            pools,
            {each["domid"]: each["cpupool"] for each in domains},
            {pool["poolid"]: "" for pool in pools},
        )

    async def get(self, reference: str) -> CpupoolInfo:
        """The cpupool of this number, else of this name: xend's order.

        Raises:
            NotFound: there is none.
        """
        pools = await self.list()
        for found in ([str(pool.pool) for pool in pools], [pool.name for pool in pools]):
            if reference in found:
                return pools[found.index(reference)]
        raise NotFound(f"Pool '{reference[:128]}' does not exist.")

    # Making and taking away

    async def create(self, config: CpupoolConfig, *, managed: bool, who: str) -> CpupoolInfo:
        """Make a cpupool, or only define a managed one.

        Raises:
            BadInput: its name, scheduler or CPUs cannot be.
            AlreadyExists: the name is taken.
            InUse, NoCapacity: its CPUs are not free.
            LibxlError: this Xen was built without the scheduler.
        """
        check_cpupool_name(config.name)
        if any(pool.name == config.name for pool in await self.list()):
            raise AlreadyExists(f'Pool name "{config.name}" already exists')
        if not config.scheduler:
            scheduler = await self._parts.workers.call(self._parts.libxl.scheduler)
            config = msgspec.structs.replace(config, scheduler=scheduler)
        check_scheduler(config.scheduler)
        if managed:
            await self._kept.put(config)
            return await self.get(config.name)
        await self._make(config, who=who)
        return await self.get(config.name)

    async def start(self, reference: str, *, who: str) -> CpupoolInfo:
        """Make a managed cpupool that is not active.

        Raises:
            NotFound; WrongState: it is active.
            InUse, NoCapacity, LibxlError: as `create`.
        """
        info = await self.get(reference)
        if info.is_active or info.wanted is None:
            raise WrongState(f"Pool '{info.name}' is active already")
        await self._make(info.wanted, who=who)
        return await self.get(info.name)

    async def _make(self, config: CpupoolConfig, *, who: str) -> None:
        async def body(operation: OperationHandle[UndoRecord]) -> None:
            cpus = await self._parts.workers.call(free_cpus, self._parts.libxl, config)
            await self._build(operation, config.name, config.scheduler, cpus)

        await self._carry_out("cpupool-create", config.name, who, body)
        self._tell(EventKind.CPUPOOL_CREATED, config.name, who)

    async def _build(
        self, operation: OperationHandle[UndoRecord], name: str, scheduler: str, cpus: tuple[int, ...]
    ) -> None:
        number = await self._parts.workers.call(free_number, self._parts.libxl)
        async with operation.step("making it", undo=DestroyCpupool(pool=number, name=name)):
            create = self._parts.libxl.create_cpupool
            uuid = uuids.uuid4().bytes
            try:
                await self._parts.workers.call(create, name, scheduler, uuid, cpus, number=number)
            except LibxlError as error:
                hint = f"was this Xen built with the {scheduler} scheduler?"
                raise LibxlError(error.what, where=f"cpupool {name}", hint=hint) from error

    async def destroy(self, reference: str, *, who: str) -> None:
        """Take a cpupool out of Xen; a managed one stays defined.

        Raises:
            NotFound.
            Forbidden: the first one.
            WrongState: it is not active.
            InUse: there are domains in it.
        """
        info = await self.get(reference)
        if info.pool is None:
            raise WrongState(f"Pool '{info.name}' is not active")
        if info.pool == FIRST_POOL:
            raise Forbidden(f"Pool '{info.name}' is Xen's own and cannot be destroyed")
        if info.domains:
            raise InUse(
                f"Pool '{info.name}' is in use by {', '.join(info.domains[:5])}",
                hint="xm cpupool-migrate moves a domain into another one",
            )
        with self._parts.locks.hold(_LOCK, domain=info.name, doing="cpupools are being changed"):
            await self._parts.workers.call(self._parts.libxl.destroy_cpupool, info.pool)
        self._tell(EventKind.CPUPOOL_DESTROYED, info.name, who)

    async def delete(self, reference: str) -> None:
        """Forget a managed cpupool that is not active.

        Raises:
            NotFound; WrongState: it is active, or not managed.
        """
        info = await self.get(reference)
        if not info.managed:
            raise WrongState(f"Pool '{info.name}' is not managed", hint="xm cpupool-destroy takes it away")
        if info.is_active:
            raise WrongState(f"Pool '{info.name}' is active", hint=f"xm cpupool-destroy {info.name}")
        await self._kept.forget(info.name)

    async def rename(self, reference: str, name: str, *, who: str) -> None:
        """Give a cpupool another name.

        Raises:
            NotFound, BadInput, AlreadyExists.
        """
        info = await self.get(reference)
        check_cpupool_name(name)
        if any(pool.name == name for pool in await self.list()):
            raise AlreadyExists(f'Pool name "{name}" already exists')

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            if info.pool is not None:
                undo = RenameCpupool(pool=info.pool, name=info.name)
                async with operation.step("renaming it", undo=undo):
                    await self._parts.workers.call(self._parts.libxl.rename_cpupool, info.pool, name)
            if info.wanted is not None:
                await self._kept.rename(info.name, msgspec.structs.replace(info.wanted, name=name))

        await self._carry_out("cpupool-rename", info.name, who, body)
        self._tell(EventKind.CPUPOOL_CHANGED, name, who)

    # CPUs and domains

    async def add_cpus(self, reference: str, text: str, *, who: str) -> None:
        """Put free CPUs into a cpupool, all or none.

        Raises:
            NotFound, WrongState (it is not active), BadInput, InUse (a CPU is not free).
        """
        name, number, cpus = await self._named(reference, text)
        await self._parts.workers.call(check_free, self._parts.libxl, cpus)

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            async with operation.step("adding CPUs", undo=ReturnCpus(pool=number, out=cpus)):
                for cpu in cpus:
                    await self._parts.workers.call(self._parts.libxl.add_cpu, number, cpu)

        await self._carry_out("cpupool-cpu-add", name, who, body)
        self._tell(EventKind.CPUPOOL_CHANGED, name, who)

    async def remove_cpus(self, reference: str, text: str, *, who: str) -> None:
        """Take CPUs out of a cpupool, all or none; they are free then.

        Raises:
            NotFound, WrongState (it is not active), BadInput (it has no such CPU).
            InUse: domains would have no CPU left.
        """
        name, number, cpus = await self._named(reference, text)
        info = await self.get(reference)
        missing = [cpu for cpu in cpus if cpu not in info.cpus]
        if missing:
            raise BadInput(f"Pool '{name}' has no CPU {missing[0]}", hint="'xm cpupool-list -c' shows them")
        if set(cpus) == set(info.cpus) and (info.domains or number == FIRST_POOL):
            raise InUse(
                f"Pool '{name}' would have no CPU left for {', '.join(info.domains[:5]) or 'domains'}"
            )

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            async with operation.step("removing CPUs", undo=ReturnCpus(pool=number, into=cpus)):
                for cpu in cpus:
                    await self._parts.workers.call(self._parts.libxl.remove_cpu, number, cpu)

        await self._carry_out("cpupool-cpu-remove", name, who, body)
        self._tell(EventKind.CPUPOOL_CHANGED, name, who)

    async def _named(self, reference: str, text: str) -> tuple[str, int, tuple[int, ...]]:
        info = await self.get(reference)
        if info.pool is None:
            raise WrongState(f"Pool '{info.name}' is not active", hint=f"xm cpupool-start {info.name}")
        host = await self._parts.workers.call(host_topology, self._parts.libxl)
        return info.name, info.pool, cpus_of(text, host)

    async def move(self, reference: str, pool: str, *, who: str) -> None:
        """Move a domain into a cpupool.

        Raises:
            DomainNotFound, NotFound, Busy.
            Forbidden: domain 0.
            WrongState: the domain has ended, or the cpupool is not active.
        """
        target = await self.get(pool)
        domain, domid = await self._parts.started(reference)
        if domid == DOM0:
            raise Forbidden("could not move Domain-0")
        if target.pool is None:
            raise WrongState(f"Pool '{target.name}' is not active", hint=f"xm cpupool-start {target.name}")
        if target.name == domain.cpupool:
            return
        with self._parts.locks.hold(domain.uuid, domain=domain.name, doing="it is moved to another cpupool"):
            try:
                await self._parts.workers.call(self._parts.libxl.move_domain, target.pool, domid)
            except LibxlError as error:
                raise LibxlError(
                    "could not move domain",
                    where=domain.name,
                    hint=f"{error.what}; has {target.name} a CPU?",
                ) from error
        self._parts.tell(EventKind.DOMAIN_CHANGED, domain, what="cpupool", cpupool=target.name, who=who)

    async def split(self, *, who: str) -> builtins.list[CpupoolInfo]:
        """Give each NUMA node a cpupool of its own, called Pool-nodeN; domains stay in the first.

        Raises:
            WrongState: there are several cpupools already.
        """
        pools = await self.list()
        if len([pool for pool in pools if pool.is_active]) > 1:
            raise WrongState("splitting not possible, already cpupools in use")
        (first,) = (pool for pool in pools if pool.is_active)
        host = await self._parts.workers.call(host_topology, self._parts.libxl)
        nodes = [
            (number, tuple(cpu for cpu in cpus if cpu in first.cpus))
            for number, cpus in enumerate(host.cpus_by_node())
            if set(cpus) & set(first.cpus)
        ]

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            undo = RenameCpupool(pool=FIRST_POOL, name=first.name)
            async with operation.step("renaming the first one", undo=undo):
                await self._parts.workers.call(
                    self._parts.libxl.rename_cpupool, FIRST_POOL, f"Pool-node{nodes[0][0]}"
                )
            for node, cpus in nodes[1:]:
                async with operation.step(
                    f"freeing node {node}", undo=ReturnCpus(pool=FIRST_POOL, into=cpus)
                ):
                    for cpu in cpus:
                        await self._parts.workers.call(self._parts.libxl.remove_cpu, FIRST_POOL, cpu)
                await self._build(operation, f"Pool-node{node}", first.scheduler, cpus)

        await self._carry_out("cpupool-numa-split", first.name, who, body)
        self._tell(EventKind.CPUPOOL_CHANGED, first.name, who)
        return await self.list()

    # Pieces

    async def undo(self, record: DestroyCpupool | RenameCpupool | ReturnCpus) -> None:
        """Take back a step; harmless when it is taken back already, or never was taken."""
        await self._parts.workers.call(take_back, self._parts.libxl, record)

    async def _carry_out(
        self,
        kind: str,
        name: str,
        who: str,
        body: Callable[[OperationHandle[UndoRecord]], Awaitable[None]],
    ) -> None:
        doing = "cpupools are being changed"
        await carry_out(self._parts, kind, body, lock=_LOCK, name=name, doing=doing, who=who)

    def _tell(self, kind: EventKind, name: str, who: str) -> None:
        self._parts.events.publish(kind, cpupool=name, who=who)
