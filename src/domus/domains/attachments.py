"""Disks and network cards of running domains: attached, detached, and their media changed.

Every step that leaves something is in the journal first: an attachment that fails, is cancelled, or is cut
off with xend is taken back. `domus.domains.detachments` is the other half.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, Final

from msgspec.structs import replace

from domus.config import vdev
from domus.devices import attached, disk_qemu, making, vif
from domus.devices.attached import Attached
from domus.devices.backends import NO_SCRIPT, DeviceKind, DeviceRef
from domus.devices.vbd import Plugging, plugging
from domus.domains import prepare
from domus.domains.build import Handle, attach_loop
from domus.domains.changes import ConfigChange
from domus.domains.defaults import filled_nic
from domus.domains.detachments import VBD, VIF, Detachments, without
from domus.domains.events import EventKind
from domus.domains.journal import KeepChange, PutMedium, TakeDevice
from domus.domains.keeping import Keeping
from domus.domains.networks import Networks
from domus.domains.parts import Parts
from domus.domains.reconfigure import reconfigure
from domus.model.config import Disk, DomainConfig, GuestType, Nic
from domus.model.domain import DomainInfo
from domus.model.errors import AlreadyExists, BadInput, NotFound, WrongState
from domus.model.operation import Operation
from domus.model.settings import GuestDefaults
from domus.storage.targets import Target

#: Seconds for a backend to be plugged: programs are started for it, which takes long on a host that is busy.
_PLUGGED_WITHIN: Final = 30.0


class Attachments:
    """Devices come and go. For the event loop."""

    def __init__(
        self,
        parts: Parts,
        detachments: Detachments,
        keeping: Keeping,
        networks: Networks,
        defaults: Callable[[], GuestDefaults],
    ) -> None:
        self._parts = parts
        self._defaults = defaults
        self._networks = networks
        self._detachments = detachments
        self._keeping = keeping

    # Disks

    async def attach_disk(self, reference: str, disk: Disk, *, persist: bool = False, who: str) -> Operation:
        """Attach a disk; it is in the guest soon after the operation's end.

        Args:
            persist: a managed domain's configuration has it then, too; one that does not run is only
                configured so. This goes for all four.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended, or is not managed), Busy.
            BadInput: its name is none.
        """
        vdev.number(disk.vdev)
        change = ConfigChange(disk=disk)
        what = f"block-attach {disk.vdev}"
        if (halted := await self._only_kept(reference, change, persist, who, what)) is not None:
            return halted
        info, domid = await self._parts.alive(reference, "attach a disk to")
        keep = await self._keeping.planned(info, change, persist=persist, who=who, what=what)

        async def body(operation: Handle) -> None:
            await self._attach_disk(operation, info, domid, disk)
            await self._keep(operation, keep)

        return await self._begin("block-attach", info, body, who)

    async def detach_disk(
        self, reference: str, name: str, *, force: bool, persist: bool = False, who: str
    ) -> Operation:
        """Take a disk away, `name` being its name or number; unless `force`, the guest must let go of it.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended), Busy.
            NotFound: it has no such disk.
        """
        try:
            devid = vdev.number(name)
        except BadInput as error:
            raise NotFound(f"Device {name[:60]} not connected", hint=error.hint) from None
        change, what = without(VBD, devid), f"block-detach {name}"
        if (halted := await self._only_kept(reference, change, persist, who, what)) is not None:
            return halted
        info, domid = await self._parts.alive(reference, "detach a disk from")
        keep = await self._keeping.planned(info, change, persist=persist, who=who, what=what)
        device = await self._device(domid, VBD, devid, shown=name)

        async def body(operation: Handle) -> None:
            await self._detachments.carry_out(operation, info, device, force=force, keep=keep)

        return await self._begin("block-detach", info, body, who)

    async def change_medium(self, reference: str, disk: Disk, *, who: str) -> Operation:
        """Put another medium into the CD drive of the disk's name; without a target it is taken out.

        Raises:
            DomainNotFound, Forbidden (domain 0), Busy.
            NotFound: it has no disk of that name.
            WrongState: it has ended, or is no HVM guest, or the disk is no CD drive.
        """
        info, domid = await self._parts.alive(reference, "change a medium of")
        devid = vdev.number(disk.vdev)
        device = await self._device(domid, VBD, devid, shown=disk.vdev)
        (kind,) = await attached.backend_nodes(self._parts.store, device, "device-type")
        if kind != "cdrom" or not disk.cdrom:
            raise WrongState(
                f"Refusing to reconfigure device vbd:{devid} to {disk.target or 'empty'}",
                hint="only the medium of a CD drive can be changed",
            )
        if info.guest_type is not GuestType.HVM:
            raise WrongState("only an HVM guest's CD drive can change its medium", hint="attach another disk")

        async def body(operation: Handle) -> None:
            async with operation.step("checking"):
                ready, _ = await self._claimed(info, disk)
            try:
                undo = await self._medium(info, domid, devid)
                async with operation.step("changing the medium", undo=undo):
                    await self._parts.workers.call(self._parts.libxl.insert_medium, domid, _disk_json(ready))
                    await reconfigure(self._parts.kept, info.uuid, domid, ConfigChange(disk=disk).apply)
            finally:
                self._parts.claims.drop(_key(info, disk))

        return await self._begin("block-configure", info, body, who)

    async def _medium(self, info: DomainInfo, domid: int, devid: int) -> PutMedium | None:
        """What is in a CD drive now; None: libxl does not know."""
        document = await self._parts.workers.call(self._parts.libxl.retrieve_config, domid)
        kept = self._parts.kept.running(info.uuid, domid)
        disks = () if kept is None else kept.config.disks
        drive = next((each for each in document["disks"] if vdev.number(each["vdev"]) == devid), None)
        own = next((each for each in disks if vdev.number(each.vdev) == devid), None)
        return None if drive is None else PutMedium(info.uuid, domid, drive, own)

    async def put_medium(self, record: PutMedium) -> None:
        """Put a former medium back; harmless when it is there, or the domain has gone."""
        found = await self._parts.workers.call(self._parts.libxl.domain_info, record.domid)
        if found is None or found["uuid"] != record.uuid:
            return
        await self._parts.workers.call(self._parts.libxl.insert_medium, record.domid, record.document)
        if record.kept is not None:
            await reconfigure(
                self._parts.kept, record.uuid, record.domid, ConfigChange(disk=record.kept).apply
            )

    async def _attach_disk(self, operation: Handle, info: DomainInfo, domid: int, disk: Disk) -> None:
        parts, devid = self._parts, vdev.number(disk.vdev)
        async with operation.step("checking"):
            if await attached.find(parts.store, domid, VBD, devid):
                raise AlreadyExists(f"Device {disk.vdev} ({devid}, vbd) is already connected.")
            _, target = await self._claimed(info, disk)
        try:
            with ExitStack() as held:
                path = None
                ours = prepare.is_plugged_by_xend(disk, info.guest_type)
                if target is not None and target.is_file and ours:
                    async with operation.step(f"attaching {target.path}"):
                        path = await parts.workers.call(attach_loop, held, target.path, disk)
                ready = prepare.connected_disk(disk, info.guest_type, target, path)
                undo = TakeDevice(info.uuid, domid, VBD, devid, ready.target or "")
                async with operation.step("connecting", undo=undo):
                    if not ours:
                        await self._by_libxl(info, domid, ready)
                    else:
                        await self._note(domid, "disk", _disk_json(ready))
                        ends = making.disk_ends(ready, devid)
                        await making.make(parts.store, DeviceKind.VBD, domid, devid, ends)
                        await parts.hotplug.wait_plugged(domid, vbds=[devid], vifs=[], within=_PLUGGED_WITHIN)
                    await reconfigure(parts.kept, info.uuid, domid, ConfigChange(disk=disk).apply)
                # blkback has the loop device open now: it lasts as long as that does.
        finally:
            parts.claims.drop(_key(info, disk))
        operation.result(domid=domid)
        parts.tell(EventKind.DEVICE_ATTACHED, info, device=VBD, devid=str(devid))

    async def _by_libxl(self, info: DomainInfo, domid: int, disk: Disk) -> None:
        """Attach a disk that xend does not plug: QEMU serves it, or a script or another domain plugs it."""
        parts, devid, how = self._parts, vdev.number(disk.vdev), plugging(disk, info.guest_type)
        if how is Plugging.QEMU and await disk_qemu.pid(parts.store, domid) is None:
            await disk_qemu.start(parts.store, domid, info.name, info.target_kib >> 10, parts.workers.call)
        await parts.workers.call(parts.libxl.add_device, domid, "disk", _disk_json(disk))
        if how is Plugging.QEMU:
            device = DeviceRef(DeviceKind.QDISK, domid, devid)
            await parts.hotplug.wait_offered(device, within=_PLUGGED_WITHIN)
        elif how is Plugging.SCRIPT:
            # libxl looks at the script's exit status, and not at what it has told blkback.
            device = DeviceRef(DeviceKind.VBD, domid, devid)
            await parts.hotplug.wait_served(device, within=_PLUGGED_WITHIN)

    async def _claimed(self, info: DomainInfo, disk: Disk) -> tuple[Disk, Target | None]:
        """Check a disk and claim it: as libxl is told of it, and what it really is."""
        async with self._parts.claims.checking() as others:
            target, claims = await self._parts.workers.call(
                prepare.prepare_disk, disk, info.guest_type, others, disk.vdev
            )
            self._parts.claims.hold(_key(info, disk), info.name, claims)
        return prepare.connected_disk(disk, info.guest_type, target, None), target

    # Network cards

    async def attach_nic(self, reference: str, nic: Nic, *, persist: bool = False, who: str) -> Operation:
        """Attach a network card; it gets a number and a MAC address if it has none.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended), Busy.
        """
        nic = prepare.with_mac(nic)
        what = f"network-attach {nic.mac}"
        if (
            halted := await self._only_kept(reference, ConfigChange(nic=nic), persist, who, what)
        ) is not None:
            return halted
        info, domid = await self._parts.alive(reference, "attach a network card to")
        await self._keeping.planned(info, ConfigChange(nic=nic), persist=persist, who=who, what=what)

        async def body(operation: Handle) -> None:
            numbered = await self._attach_nic(operation, info, domid, nic)
            change = ConfigChange(nic=numbered)
            await self._keep(operation, KeepChange(info.uuid, domid, change, who if persist else "", what))

        return await self._begin("network-attach", info, body, who)

    async def detach_nic(
        self, reference: str, place: str, *, force: bool, persist: bool = False, who: str
    ) -> Operation:
        """Take a network card away, `place` being its number or MAC address; `force` as for a disk.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended), Busy.
            NotFound: it has no such card.
        """
        what = f"network-detach {place}"
        known = self._parts.definitions.get((await self._parts.get(reference)).uuid)
        if known is not None:
            number = _number_in(known.config, place)
            change = without(VIF, -1 if number is None else number)
            if (halted := await self._only_kept(reference, change, persist, who, what)) is not None:
                return halted
        info, domid = await self._parts.alive(reference, "detach a network card from")
        device = await self._nic(info, domid, place)
        keep = await self._keeping.planned(
            info, without(VIF, device.devid), persist=persist, who=who, what=what
        )

        async def body(operation: Handle) -> None:
            await self._detachments.carry_out(operation, info, device, force=force, keep=keep)

        return await self._begin("network-detach", info, body, who)

    async def _attach_nic(self, operation: Handle, info: DomainInfo, domid: int, nic: Nic) -> Nic:
        """Attach a card; returns it with the number that it has got."""
        from domus.config.compile.devices import nic_json

        parts = self._parts
        async with operation.step("checking"):
            present = await attached.devices(parts.store, domid, VIF)
            devid = await self._free_number(info, present, nic)
            for device in present:
                (mac,) = await attached.backend_nodes(parts.store, device, "mac")
                if (mac or "").lower() == nic.mac:
                    raise AlreadyExists(f'The mac "{nic.mac}" is already defined')
            numbered = replace(nic, devid=devid)
            wanted = filled_nic(numbered, self._defaults())
            kept = parts.kept.running(info.uuid, domid)
            config = DomainConfig(name=info.name) if kept is None else kept.config
            ready = prepare.prepare_nic(await self._networks.resolved_card(wanted, config, "vif"), "vif")
        undo = TakeDevice(info.uuid, domid, VIF, devid, nic.mac or "")
        async with operation.step("connecting", undo=undo):
            # The hotplug watch looks there for how to plug it in, and behind which guard.
            await reconfigure(parts.kept, info.uuid, domid, ConfigChange(nic=wanted).apply)
            document = nic_json(ready, devid, NO_SCRIPT)
            if ready.script != NO_SCRIPT:
                await parts.workers.call(parts.libxl.add_device, domid, "nic", document)
            else:
                await self._note(domid, "nic", document)
                await making.make(parts.store, DeviceKind.VIF, domid, devid, making.nic_ends(ready, devid))
                await parts.hotplug.wait_plugged(domid, vbds=[], vifs=[devid], within=_PLUGGED_WITHIN)
        operation.result(domid=domid)
        parts.tell(EventKind.DEVICE_ATTACHED, info, device=VIF, devid=str(devid))
        return numbered

    async def _free_number(self, info: DomainInfo, present: list[Attached], nic: Nic) -> int:
        """The number that a card gets: its own, else the first that no card has."""
        taken = {device.devid for device in present}
        if nic.devid is not None:
            if nic.devid in taken:
                raise AlreadyExists(f"Device {nic.devid} (vif) is already connected.")
            return nic.devid
        kept = self._parts.kept.running(info.uuid, info.domid)
        taken |= set() if kept is None else set(vif.devids(kept.config.nics))
        managed = self._parts.definitions.get(info.uuid)
        taken |= set() if managed is None else set(vif.devids(managed.config.nics))
        return next(number for number in range(len(taken) + 1) if number not in taken)

    async def _nic(self, info: DomainInfo, domid: int, place: str) -> Attached:
        if place.isascii() and place.isdecimal() and len(place) < 10:
            return await self._device(domid, VIF, int(place), shown=place)
        if place.count(":") != 5:
            raise NotFound(
                f"unknown devid {place[:60]}", hint="a number or a MAC address of `xm network-list`"
            )
        for device in await attached.devices(self._parts.store, domid, VIF):
            (mac,) = await attached.backend_nodes(self._parts.store, device, "mac")
            if (mac or "").lower() == place.lower():
                return device
        raise NotFound(f"Cannot find device '{place[:60]}' in domain '{info.name}'")

    # Both

    async def _only_kept(
        self, reference: str, change: ConfigChange, persist: bool, who: str, what: str
    ) -> Operation | None:
        """Begin to change the configuration of a managed domain that does not run; None: it runs."""
        info = await self._parts.get(reference)
        if info.domid is not None or not persist:
            return None
        keep = await self._keeping.planned(info, change, persist=True, who=who, what=what)
        config = self._parts.definitions.require(info.uuid).config
        if change.disk is None and change.nic is None and change.apply(config) == config:
            raise NotFound(
                f"the configuration of '{info.name}' has no such device", hint=f"xm config show {info.name}"
            )

        async def body(operation: Handle) -> None:
            await self._keeping.commit(operation, keep)

        return await self._begin(what.partition(" ")[0], info, body, who)

    async def _keep(self, operation: Handle, keep: KeepChange) -> None:
        if keep.who:  # the running one's configuration has it already
            await self._keeping.commit(operation, keep)

    async def _begin(
        self, kind: str, info: DomainInfo, body: Callable[[Handle], Awaitable[None]], who: str
    ) -> Operation:
        return await self._parts.begin(
            kind,
            body,
            info.uuid,
            domain=info.name,
            uuid=info.uuid,
            doing=f"{kind} is going on",
            who=who,
        )

    async def _device(self, domid: int, kind: str, devid: int, *, shown: str) -> Attached:
        device = await attached.find(self._parts.store, domid, kind, devid)
        if device is None:
            raise NotFound(f"Device {shown[:60]} not connected")
        return device

    async def _note(self, domid: int, kind: str, document: dict[str, Any]) -> None:
        await self._parts.workers.call(self._parts.libxl.note_device, domid, kind, document)


def _number_in(config: DomainConfig, place: str) -> int | None:
    """The number of the card that has this number or MAC address in a configuration."""
    for devid, nic in zip(vif.devids(config.nics), config.nics, strict=True):
        if place == str(devid) or (nic.mac or "").lower() == place.lower():
            return devid
    return None


def _key(info: DomainInfo, disk: Disk) -> str:
    return f"{info.uuid}/{vdev.number(disk.vdev)}"


def _disk_json(disk: Disk) -> dict[str, Any]:
    from domus.config.compile.devices import disk_json  # heavy: only who attaches needs it

    return disk_json(disk, NO_SCRIPT)
