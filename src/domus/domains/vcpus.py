"""VCPUs: looked at, bound to CPUs of the host, brought online and offline."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from domus.domains.carry_out import carry_out
from domus.domains.changes import ConfigChange, PinChange
from domus.domains.events import EventKind
from domus.domains.journal import Pin, PinBack, UndoRecord, VcpusBack
from domus.domains.topology import cpus_of, host_topology
from domus.model.domain import GuestType
from domus.model.errors import BadInput, DomainNotFound, LibxlError, WrongState
from domus.model.vcpus import DomainVcpus, PinRequest, Vcpu, VcpuTable

if TYPE_CHECKING:
    from domus.domains.keeping import Keeping
    from domus.domains.operations import OperationHandle
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo
    from domus.model.topology import HostTopology


class Vcpus:
    """The VCPUs of this host's domains. For the event loop."""

    def __init__(self, parts: Parts, keeping: Keeping) -> None:
        self._parts = parts
        self._keeping = keeping

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
            DomainNotFound, WrongState (it has ended, or is to be kept so and not managed), Busy.
            BadInput: no such VCPU, or a list of CPUs that means nothing on this host.
            LibxlError: Xen refused, such as CPUs that are not in the domain's cpupool.
        """
        info = await self._parts.get(reference)
        host = await self._parts.workers.call(host_topology, self._parts.libxl)
        hard = None if request.hard is None else cpus_of(request.hard, host)
        soft = None if request.soft is None else cpus_of(request.soft, host)
        if hard is None and soft is None:
            raise BadInput("neither hard nor soft affinity is given")
        if request.vcpu is not None and not 0 <= request.vcpu < info.max_vcpus:
            raise BadInput(f"'{info.name}' has no VCPU {request.vcpu}", hint=f"it has {info.max_vcpus}")
        change = PinChange(vcpu=request.vcpu, hard=_kept(hard, host), soft=_kept(soft, host))
        keep = await self._keeping.planned(
            info, ConfigChange(pin=change), persist=request.persist, who=who, what=_pin_told(request)
        )
        if info.domid is None and request.persist:
            await self._keeping.only(info, keep)
            return
        info, domid = await self._parts.started(reference)
        vcpus = range(info.max_vcpus) if request.vcpu is None else [request.vcpu]
        pins = tuple(Pin(vcpu=vcpu, hard=hard, soft=soft) for vcpu in vcpus)

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            before = await self._parts.workers.call(self._pinned, domid, pins)
            undo = PinBack(uuid=info.uuid, domid=domid, pins=before)
            async with operation.step("pinning VCPUs", undo=undo):
                await self._parts.workers.call(self._bind, domid, pins, request.force)
            await self._keeping.commit(operation, keep)

        await carry_out(
            self._parts,
            "vcpu-pin",
            body,
            lock=info.uuid,
            name=info.name,
            doing="its VCPUs are being pinned",
            who=who,
            domain=info.name,
            uuid=info.uuid,
        )
        self._parts.tell(EventKind.DOMAIN_CHANGED, info, what="affinity", who=who)

    def _pinned(self, domid: int, pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
        """How the VCPUs of `pins` are pinned now, as far as `pins` change it."""
        found = {each["vcpuid"]: each for each in self._parts.libxl.list_vcpus(domid)}
        return tuple(
            Pin(
                vcpu=pin.vcpu,
                hard=None if pin.hard is None else tuple(found[pin.vcpu]["cpumap"]),
                soft=None if pin.soft is None else tuple(found[pin.vcpu]["cpumap_soft"]),
            )
            for pin in pins
        )

    def _bind(self, domid: int, pins: tuple[Pin, ...], force: bool) -> None:
        for pin in pins:
            try:
                self._parts.libxl.set_affinity(domid, pin.vcpu, hard=pin.hard, soft=pin.soft, force=force)
            except LibxlError as error:
                cpus = list(pin.soft or () if pin.hard is None else pin.hard)
                raise LibxlError(
                    f"Cannot pin vcpu: {pin.vcpu} to cpu: {cpus} - {error.what}",
                    hint="are those CPUs in the domain's cpupool? 'xm cpupool-list -c' shows its CPUs",
                ) from error

    async def undo(self, record: PinBack | VcpusBack) -> None:
        """Pin VCPUs as they were, or have as many online; harmless when the domain has gone."""
        if isinstance(record, PinBack):
            await self._parts.workers.call(self._pin_back, record)
        else:
            await self._parts.workers.call(self._online_again, record)

    def _online_again(self, record: VcpusBack) -> None:
        info = self._parts.libxl.domain_info(record.domid)
        if info is None or info["uuid"] != record.uuid:
            return
        with suppress(DomainNotFound):
            self._parts.libxl.set_vcpus_online(record.domid, record.online)

    def _pin_back(self, record: PinBack) -> None:
        info = self._parts.libxl.domain_info(record.domid)
        if info is None or info["uuid"] != record.uuid:
            return
        with suppress(DomainNotFound):
            self._bind(record.domid, record.pins, True)

    async def set_online(self, reference: str, online: int, *, persist: bool, who: str) -> None:
        """Ask the guest to have its first `online` VCPUs online; returns at once.

        Raises:
            DomainNotFound, WrongState (it has ended, or is to be kept so and not managed), Busy.
            BadInput: none, or more than it has.
            WrongState: fewer than an HVM guest uses now.
        """
        info = await self._parts.get(reference)
        if online < 1:
            raise BadInput("Zero or less VCPUs is invalid")
        if online > info.max_vcpus:
            raise BadInput(
                "Cannot set vcpus greater than max vcpus on running domain",
                hint=f"'{info.name}' has {info.max_vcpus}: its maxvcpus",
            )
        # QEMU plugs CPUs in and never out, and Linux looks at XenStore's wish in PV and PVH guests only
        # (drivers/xen/cpu_hotplug.c): libxl would say yes, and nothing would happen.
        if info.domid is not None and info.guest_type is GuestType.HVM and online < info.vcpus:
            raise WrongState(
                f"VCPUs of '{info.name}' cannot be taken away while it runs: it is an HVM guest",
                hint="in the guest, echo 0 > /sys/devices/system/cpu/cpuN/online has the same effect",
            )
        keep = await self._keeping.planned(
            info, ConfigChange(vcpus=online), persist=persist, who=who, what=f"vcpu-set {online}"
        )
        if info.domid is None and persist:
            await self._keeping.only(info, keep)
            return
        info, domid = await self._parts.started(reference)

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            before = await self._asked_for(domid, info.max_vcpus)
            async with operation.step("setting its VCPUs", undo=VcpusBack(info.uuid, domid, before)):
                await self._parts.workers.call(self._parts.libxl.set_vcpus_online, domid, online)
            await self._keeping.commit(operation, keep)

        await carry_out(
            self._parts,
            "vcpu-set",
            body,
            lock=info.uuid,
            name=info.name,
            doing="its VCPUs are being set",
            who=who,
            domain=info.name,
            uuid=info.uuid,
        )
        self._parts.tell(EventKind.DOMAIN_CHANGED, info, what="vcpus", who=who)

    async def _asked_for(self, domid: int, most: int) -> int:
        """How many VCPUs the guest was asked to have online (xenstore-paths.pandoc, cpu/N/availability)."""
        paths = [f"/local/domain/{domid}/cpu/{vcpu}/availability" for vcpu in range(most)]
        values = await self._parts.store.read_many(paths)
        return sum(value == b"online" for value in values) or most


def _kept(cpus: tuple[int, ...] | None, host: HostTopology) -> tuple[int, ...] | None:
    """CPUs as a configuration has them: all of the host's are any."""
    if cpus is None:
        return None
    return () if {each.cpu for each in host.cpus} <= set(cpus) else tuple(sorted(cpus))


def _pin_told(request: PinRequest) -> str:
    vcpu = "all" if request.vcpu is None else request.vcpu
    soft = "" if request.soft is None else f" {request.soft}"
    return f"vcpu-pin {vcpu} {request.hard or '-'}{soft}"[:80]


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
