"""VCPUs: looked at, bound to CPUs of the host, brought online and offline."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from domus.domains.events import EventKind
from domus.domains.topology import cpus_of, host_topology
from domus.model.errors import BadInput, DomainNotFound, DomusError, LibxlError
from domus.model.vcpus import DomainVcpus, PinRequest, Vcpu, VcpuTable

if TYPE_CHECKING:
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo


class Vcpus:
    """The VCPUs of this host's domains. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def table(self, references: Collection[str] = ()) -> VcpuTable:
        """The VCPUs of all domains sorted by name, or of the named ones in the order given.

        Raises:
            DomainNotFound: one that is named does not exist.
        """
        if references:
            infos = [await self._parts.get(reference) for reference in references]
        else:
            infos = await self._parts.listing.list()
        return await self._parts.workers.call(self._read, infos, required=bool(references))

    def _read(self, infos: list[DomainInfo], *, required: bool) -> VcpuTable:
        libxl = self._parts.libxl
        cpus = tuple(each.cpu for each in host_topology(libxl).cpus)
        domains = []
        for info in infos:
            try:
                found = [] if info.domid is None else libxl.list_vcpus(info.domid)
            except DomainNotFound:
                if required:
                    raise
                continue  # it went while we looked
            vcpus = tuple(described(each, cpus) for each in found)
            domains.append(DomainVcpus(name=info.name, domid=info.domid, uuid=info.uuid, vcpus=vcpus))
        return VcpuTable(cpus=cpus, domains=tuple(domains))

    async def pin(self, reference: str, request: PinRequest, *, who: str) -> None:
        """Say on which CPUs VCPUs may run, and on which they prefer to.

        Raises:
            DomainNotFound, WrongState (it has ended), Busy.
            BadInput: no such VCPU, or a list of CPUs that means nothing on this host.
            LibxlError: Xen refused, such as CPUs that are not in the domain's cpupool.
        """
        info, domid = await self._parts.started(reference)
        host = await self._parts.workers.call(host_topology, self._parts.libxl)
        hard = None if request.hard is None else cpus_of(request.hard, host)
        soft = None if request.soft is None else cpus_of(request.soft, host)
        if hard is None and soft is None:
            raise BadInput("neither hard nor soft affinity is given")
        if request.vcpu is not None and not 0 <= request.vcpu < info.max_vcpus:
            raise BadInput(f"'{info.name}' has no VCPU {request.vcpu}", hint=f"it has {info.max_vcpus}")
        vcpus = range(info.max_vcpus) if request.vcpu is None else [request.vcpu]
        with self._parts.locks.hold(info.uuid, domain=info.name, doing="its VCPUs are being pinned"):
            await self._parts.workers.call(self._bind, domid, list(vcpus), hard, soft, request.force)
        self._parts.tell(EventKind.DOMAIN_CHANGED, info, what="affinity", who=who)

    def _bind(
        self,
        domid: int,
        vcpus: list[int],
        hard: tuple[int, ...] | None,
        soft: tuple[int, ...] | None,
        force: bool,
    ) -> None:
        """Bind each of them; when one cannot be bound, those before it are put back as they were."""
        libxl = self._parts.libxl
        before = {each["vcpuid"]: each for each in libxl.list_vcpus(domid)}
        for place, vcpu in enumerate(vcpus):
            try:
                libxl.set_affinity(domid, vcpu, hard=hard, soft=soft, force=force)
            except LibxlError as error:
                for done in vcpus[:place]:
                    _put_back(libxl, domid, before[done], hard=hard is not None, soft=soft is not None)
                raise LibxlError(
                    f"Cannot pin vcpu: {vcpu} to cpu: {list(hard or soft or ())} - {error.what}",
                    hint="are those CPUs in the domain's cpupool? 'xm cpupool-list -c' shows its CPUs",
                ) from error

    async def set_online(self, reference: str, online: int, *, who: str) -> None:
        """Ask the guest to have its first `online` VCPUs online; returns at once.

        Raises:
            DomainNotFound, WrongState (it has ended), Busy.
            BadInput: none, or more than it has.
        """
        info, domid = await self._parts.started(reference)
        if online < 1:
            raise BadInput("Zero or less VCPUs is invalid")
        if online > info.max_vcpus:
            raise BadInput(
                "Cannot set vcpus greater than max vcpus on running domain",
                hint=f"'{info.name}' has {info.max_vcpus}: its maxvcpus",
            )
        with self._parts.locks.hold(info.uuid, domain=info.name, doing="its VCPUs are being set"):
            await self._parts.workers.call(self._parts.libxl.set_vcpus_online, domid, online)
        self._parts.tell(EventKind.DOMAIN_CHANGED, info, what="vcpus", who=who)


def described(found: dict[str, Any], cpus: Collection[int]) -> Vcpu:
    """A VCPU from libxl's vcpuinfo; CPUs that the host does not have are left out of its affinities."""
    online = bool(found["online"])
    return Vcpu(
        vcpu=int(found["vcpuid"]),
        cpu=int(found["cpu"]) if online else None,
        online=online,
        blocked=online and bool(found["blocked"]),
        running=online and bool(found["running"]),
        time_ns=int(found["vcpu_time"]),
        affinity=tuple(sorted(set(found["cpumap"]) & set(cpus))),
        soft_affinity=tuple(sorted(set(found["cpumap_soft"]) & set(cpus))),
    )


def _put_back(libxl: Any, domid: int, before: dict[str, Any], *, hard: bool, soft: bool) -> None:
    try:
        libxl.set_affinity(
            domid,
            before["vcpuid"],
            hard=before["cpumap"] if hard else None,
            soft=before["cpumap_soft"] if soft else None,
        )
    except DomusError:
        pass  # it has ended meanwhile; what is told is why the binding failed
