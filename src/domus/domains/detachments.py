"""Disks and network cards are taken from running domains, and what was cut off in the middle is settled.

A detachment that the guest does not agree to is put back as it was; a forced one is carried through.
"""

from __future__ import annotations

import logging
from typing import Final

from domus.devices import attached, disk_qemu, letting_go, making
from domus.devices.attached import Attached
from domus.devices.backends import NO_SCRIPT, BackendState, DeviceKind, DeviceRef
from domus.devices.letting_go import Answer
from domus.domains.build import Handle
from domus.domains.changes import ConfigChange
from domus.domains.events import EventKind
from domus.domains.journal import KeepChange, SettleDevice, TakeDevice
from domus.domains.keeping import Keeping
from domus.domains.leftovers import Leftovers
from domus.domains.parts import Parts
from domus.domains.reconfigure import reconfigure
from domus.model.domain import DomainInfo
from domus.model.errors import Conflict, LibxlError

log = logging.getLogger(__name__)

VBD: Final = "vbd"
VIF: Final = "vif"

#: Seconds for a guest to let go of a device. A guest that is well does within one.
LETS_GO_WITHIN: Final = 10.0
#: Seconds for a guest to finish what it has begun already.
_ENDS_WITHIN: Final = 3.0

_LIBXL_KINDS: Final = {VBD: "disk", VIF: "nic"}
#: the node of a backend that tells a device from another one of its number
_MARKS: Final = {VBD: "params", VIF: "mac"}


class Detachments:
    """For the event loop."""

    def __init__(self, parts: Parts, keeping: Keeping) -> None:
        self._parts = parts
        self._keeping = keeping

    async def carry_out(
        self,
        operation: Handle,
        info: DomainInfo,
        device: Attached,
        *,
        force: bool,
        keep: KeepChange | None = None,
    ) -> None:
        """Take a device away; unless `force`, the guest must let go of it, and keeps it if it does not.

        Args:
            keep: is kept once it is gone.

        Raises:
            Conflict: the guest keeps it.
        """
        if force:
            (mark,) = await attached.backend_nodes(self._parts.store, device, _MARKS[device.kind])
            undo = TakeDevice(
                info.uuid, device.domid, device.kind, device.devid, mark or "", finishes=True, keep=keep
            )
            async with operation.step("taking it away", undo=undo):
                await self._remove(info.uuid, device, keep)
        else:
            settle = SettleDevice(info.uuid, device.domid, device.kind, device.devid, keep)
            async with operation.step("asking the guest to let go of it", undo=settle):
                answer = await letting_go.ask(self._parts.store, device, within=LETS_GO_WITHIN)
                if answer is not Answer.LET_GO:
                    raise Conflict(
                        f"Device {device} could not be disconnected. ",
                        hint="the guest does not let go of it; -f takes it away at once",
                    )
                await self._remove(info.uuid, device, keep)
        operation.result(domid=device.domid)
        self._parts.tell(EventKind.DEVICE_DETACHED, info, device=device.kind, devid=str(device.devid))

    async def _remove(self, uuid: str, device: Attached, keep: KeepChange | None) -> None:
        """Take a device away, and what it leaves in dom0; then it is not in the kept configuration either."""
        parts = self._parts
        left = Leftovers(parts.store, parts.hotplug, device.ref)
        (script,) = await attached.backend_nodes(parts.store, device, "script")
        if device.ref is not None and (script == NO_SCRIPT or await self._is_unserved(device.ref)):
            await making.unmake(parts.store, device)
        else:  # somebody's script has to run
            await self._remove_by_libxl(device)
        await disk_qemu.stop(parts.store, device.domid)
        await left.wait_gone()
        await self._keep_gone(uuid, device.domid, device.kind, device.devid)
        if keep is not None:
            await self._keeping.carry_out(keep)

    async def _remove_by_libxl(self, device: Attached) -> None:
        parts = self._parts
        place = str(device.devid) if device.kind == VBD else device.devid
        kind = _LIBXL_KINDS[device.kind]
        try:
            await parts.workers.call(parts.libxl.remove_device, device.domid, kind, place, force=True)
        except LibxlError as error:
            # A QEMU removes its backend once it has closed it (QEMU hw/xen/xen-backend.c).
            # If it does so while libxl waits for that, libxl fails and leaves the frontend.
            if await attached.backend_state(parts.store, device) is not None:
                raise
            log.info("the backend of device %s of domain %d went by itself: %s", device, device.domid, error)
            await making.unmake(parts.store, device)

    async def _keep_gone(self, uuid: str, domid: int, kind: str, devid: int) -> None:
        await reconfigure(self._parts.kept, uuid, domid, without(kind, devid).apply)

    async def _is_unserved(self, device: DeviceRef) -> bool:
        """No QEMU has taken this disk of QEMU's: libxl would wait for its answer, and give up."""
        if device.kind is not DeviceKind.QDISK:
            return False
        state = await self._parts.store.read_text(f"{device.path}/state")
        return BackendState.parse(state) in (BackendState.UNKNOWN, BackendState.INITIALISING)

    # Undoing

    async def take(self, record: TakeDevice) -> None:
        """Take away what an attachment made, or what a forced detachment was about."""
        device = await attached.find(self._parts.store, record.domid, record.kind, record.devid)
        if device is None:
            await disk_qemu.stop(self._parts.store, record.domid)
            await self._is_gone(record)
            return
        (mark,) = await attached.backend_nodes(self._parts.store, device, _MARKS[record.kind])
        # QEMU's disks have their format before the target.
        if (mark or "") == record.mark or (mark or "").endswith(f":{record.mark}"):
            await self._remove(record.uuid, device, record.keep)
        else:
            log.warning("device %s of domain %d is another one by now", device, record.domid)

    async def _is_gone(self, record: TakeDevice | SettleDevice) -> None:
        await self._keep_gone(record.uuid, record.domid, record.kind, record.devid)
        found = await self._parts.workers.call(self._parts.libxl.domain_info, record.domid)
        # With its whole domain it is gone for another reason than that somebody wanted it detached.
        if record.keep is not None and found is not None and found["uuid"] == record.uuid:
            await self._keeping.carry_out(record.keep)

    async def settle(self, record: SettleDevice) -> bool:
        """Finish a detachment that the guest has agreed to, which is True; else take the question back."""
        device = await attached.find(self._parts.store, record.domid, record.kind, record.devid)
        if device is None:
            await self._is_gone(record)
            return True
        answer = await letting_go.standing(self._parts.store, device)
        if answer is Answer.AT_IT:
            answer = await letting_go.ask(self._parts.store, device, within=_ENDS_WITHIN)
        match answer:
            case Answer.LET_GO:
                await self._remove(record.uuid, device, record.keep)
            case Answer.SILENT:
                await letting_go.put_back(self._parts.store, device)
            case Answer.AT_IT:
                log.warning("the guest of device %s of domain %d is still closing it", device, record.domid)
        return answer is Answer.LET_GO


def without(kind: str, devid: int) -> ConfigChange:
    """That a disk or a card is gone."""
    return ConfigChange(without_disk=devid) if kind == VBD else ConfigChange(without_nic=devid)
