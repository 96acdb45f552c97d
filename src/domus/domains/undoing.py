"""What each record of the journal asks for, and who does it: after a failure, and after a kill of xend."""

from __future__ import annotations

import asyncio
from pathlib import Path

from domus.domains.attachments import Attachments
from domus.domains.cpupools import Cpupools
from domus.domains.detachments import Detachments
from domus.domains.journal import (
    DestroyCpupool,
    DestroyDomain,
    DomainZeroBack,
    FinishDelete,
    FinishResume,
    FinishSave,
    FirewallBack,
    ForgetConfig,
    ForgetDefinition,
    KeepChange,
    MemoryBack,
    PinBack,
    PutMedium,
    PutNetwork,
    RemoveFile,
    RenameCpupool,
    RenameDomain,
    ResumeDomain,
    ReturnCpus,
    SchedulingBack,
    SettleDevice,
    SettleMove,
    SettlePci,
    StopNetwork,
    TakeDevice,
    TakeNew,
    TakePci,
    TakeUsb,
    UndoRecord,
    UnpauseDomain,
    VcpusBack,
)
from domus.domains.keeping import Keeping
from domus.domains.managed import Managed
from domus.domains.memory import Memory
from domus.domains.migration.service import Migration
from domus.domains.networks import Networks
from domus.domains.parts import Parts
from domus.domains.passthrough import Passthrough
from domus.domains.saving import Saving
from domus.domains.scheduling import Scheduling
from domus.domains.suspending import Suspending
from domus.domains.vcpus import Vcpus
from domus.domains.virtual_devices import VirtualDevices
from domus.model.firewall import parse_all


class Undoing:
    """Carries records out; each is harmless when it is repeated."""

    def __init__(
        self,
        parts: Parts,
        *,
        managed: Managed,
        attachments: Attachments,
        keeping: Keeping,
        memory: Memory,
        scheduling: Scheduling,
        detachments: Detachments,
        passthrough: Passthrough,
        virtual_devices: VirtualDevices,
        saving: Saving,
        suspending: Suspending,
        vcpus: Vcpus,
        cpupools: Cpupools,
        migration: Migration,
        networks: Networks,
    ) -> None:
        self._parts = parts
        self._managed = managed
        self._attachments = attachments
        self._keeping = keeping
        self._memory = memory
        self._scheduling = scheduling
        self._detachments = detachments
        self._passthrough = passthrough
        self._virtual_devices = virtual_devices
        self._saving = saving
        self._suspending = suspending
        self._vcpus = vcpus
        self._cpupools = cpupools
        self._migration = migration
        self._networks = networks

    async def undo(self, record: UndoRecord) -> bool:
        """Do what `record` says; True: what its operation was for is done by that."""
        match record:
            case DestroyDomain(uuid, domid, _):
                await self._parts.builder.take_away(uuid, domid)
            case ForgetConfig(uuid):
                await self._parts.kept.forget(uuid)
            case RenameDomain(uuid, name):
                await self._managed.give_name(uuid, name)
            case ForgetDefinition(uuid):
                await self._parts.definitions.forget(uuid)
            case KeepChange():
                await self._keeping.carry_out(record)
            case MemoryBack():
                await self._memory.undo(record)
            case DomainZeroBack():
                await self._parts.ballooning.undo(record)
            case VcpusBack() | PinBack():
                await self._vcpus.undo(record)
            case SchedulingBack():
                await self._scheduling.undo(record)
            case TakeDevice():
                await self._detachments.take(record)
            case SettleDevice():
                return await self._detachments.settle(record)
            case PutMedium():
                await self._attachments.put_medium(record)
            case TakeNew() if record.kind != "usbctrl":
                await self._virtual_devices.undo(record)
            case TakePci() | SettlePci() | TakeUsb() | TakeNew():
                return await self._passthrough.undo(record)
            case RemoveFile(path):
                await asyncio.to_thread(Path(path).unlink, missing_ok=True)
            case ResumeDomain():
                await self._saving.resuming.resume(record)
            case UnpauseDomain(uuid, domid):
                await self._parts.builder.unpause(uuid, domid)
            case FinishSave():
                await self._saving.finish(record)
            case DestroyCpupool() | RenameCpupool() | ReturnCpus():
                await self._cpupools.undo(record)
            case FinishDelete(uuid):
                await self._managed.forget(uuid)
            case FirewallBack(domid, rules):
                await self._parts.hotplug.cards.refilter(domid, parse_all(rules))
            case StopNetwork() | PutNetwork():
                await self._networks.undo(record)
            case FinishResume():
                await self._suspending.finish(record)
            case SettleMove():
                await self._migration.undo(record)
        return False
