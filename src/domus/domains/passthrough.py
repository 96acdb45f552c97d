"""Devices of the host itself that running domains are given: PCI and USB.

libxl does all of it, within one call for each. Should that fail, or xend be killed meanwhile, what libxl had
attached by then is taken away again (but for PCI devices that are given by name). PCI devices are there again
when the guest reboots; USB devices are not, since what they were may be gone by then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from domus.devices import host_usb
from domus.domains.by_libxl import begin
from domus.domains.journal import SettlePci, TakeNew, TakePci, TakeUsb, UndoRecord
from domus.domains.parts import Parts
from domus.domains.reconfigure import Change, reconfigure
from domus.model.config import DomainConfig, GuestType, PciDevice, UsbController, UsbDevice
from domus.model.domain import DomainInfo
from domus.model.errors import AlreadyExists, BadInput, HostProblem, NotFound, WrongState
from domus.model.live import PciInfo, UsbControllerInfo, UsbPort
from domus.model.operation import Operation

#: the driver that holds what can be given away (Linux drivers/xen/xen-pciback)
_PCIBACK: Final = Path("/sys/bus/pci/drivers/pciback")

Document = dict[str, Any]


class Passthrough:
    """For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._call = parts.workers.call
        self._libxl = parts.libxl

    # PCI

    async def list_pci(self, reference: str) -> list[PciInfo]:
        """The PCI devices that a domain owns. Raises DomainNotFound."""
        info = await self._parts.get(reference)
        if not info.domid:
            return []
        return [_pci_info(each) for each in await self._call(self._libxl.list_pci, info.domid)]

    async def list_assignable(self) -> list[PciInfo]:
        """The PCI devices that no domain owns and one could be given.

        Raises:
            HostProblem: the driver for that is not loaded.
        """
        require_pciback()
        found = [_pci_info(each) for each in await self._call(self._libxl.list_assignable_pci)]
        return sorted(found, key=lambda each: each.address)

    async def make_assignable(self, device: PciDevice, *, rebind: bool) -> None:
        """Take a PCI device from its driver, so that a domain can be given it.

        Raises:
            NotFound: the host has no such device.
            HostProblem: pciback is not loaded.
        """
        require_pciback()
        _require_pci(device)
        await self._call(self._libxl.make_pci_assignable, _pci_json(device), rebind=rebind)

    async def make_unassignable(self, device: PciDevice, *, rebind: bool) -> None:
        """Take a PCI device back; `rebind`: its driver gets it again. Raises as `make_assignable`."""
        require_pciback()
        if device.name is None:
            _require_pci(device)
        await self._call(self._libxl.make_pci_unassignable, _pci_json(device), rebind=rebind)

    async def attach_pci(self, reference: str, device: PciDevice, *, who: str) -> Operation:
        """Give a PCI device to a domain.

        Raises:
            DomainNotFound, Forbidden (domain 0), Busy.
            WrongState: it has ended, or is a PVH guest.
        """
        info, domid = await self._parts.alive(reference, "attach a device to")
        if info.guest_type is GuestType.PVH:
            raise WrongState("PVH guests cannot own PCI devices on x86")

        async def prepare() -> UndoRecord | None:
            require_pciback()
            if device.name is not None:
                return None  # which device that is only libxl knows
            _require_pci(device)
            if await self._owns(domid, device):
                raise AlreadyExists(f"pci: device {_address(device)} has been attached! ")
            return TakePci(info.uuid, domid, device)

        async def body() -> None:
            await self._call(self._libxl.add_device, domid, "pci", _pci_json(device))
            await reconfigure(self._parts.kept, info.uuid, domid, _with_pci(device))

        return await begin(self._parts, "pci-attach", info, body, who, prepare)

    async def detach_pci(self, reference: str, device: PciDevice, *, force: bool, who: str) -> Operation:
        """Take a PCI device from a domain; `force`: whether the guest agrees or not.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended), Busy.
        """
        info, domid = await self._parts.alive(reference, "detach a device from")

        async def prepare() -> UndoRecord | None:
            if device.name is not None:
                return None
            if not await self._owns(domid, device):
                raise NotFound(f"pci: device {_address(device)} is not attached!")
            if force:
                return TakePci(info.uuid, domid, device, finishes=True)
            return SettlePci(info.uuid, domid, device)

        async def body() -> None:
            await self._call(self._libxl.remove_pci, domid, _pci_json(device), force=force)
            await reconfigure(self._parts.kept, info.uuid, domid, _without_pci(device))

        return await begin(self._parts, "pci-detach", info, body, who, prepare)

    # USB

    async def list_usb(self, reference: str) -> list[UsbControllerInfo]:
        """A domain's USB controllers, with what is plugged into each. Raises DomainNotFound."""
        info = await self._parts.get(reference)
        if not info.domid:
            return []
        controllers = await self._call(self._libxl.list_usb_controllers, info.domid)
        plugged = await self._call(self._libxl.list_usb_devices, info.domid) if controllers else []
        return [_usb_info(each, plugged) for each in controllers]

    async def attach_usb_controller(
        self, reference: str, controller: UsbController, *, who: str
    ) -> Operation:
        """Give a domain a USB controller. Raises as `detach_pci`."""
        info, domid = await self._parts.alive(reference, "attach a device to")

        async def body() -> None:
            document = {"type": controller.kind, "version": controller.version, "ports": controller.ports}
            await self._call(self._libxl.add_device, domid, "usbctrl", document)

        async def prepare() -> UndoRecord:
            return TakeNew(info.uuid, domid, "usbctrl", tuple(await self._controllers(domid)))

        return await begin(self._parts, "usb-hc-create", info, body, who, prepare)

    async def detach_usb_controller(self, reference: str, devid: int, *, who: str) -> Operation:
        """Take a USB controller from a domain, with what is plugged into it.

        Raises:
            NotFound: it has no such controller; and as `detach_pci`.
        """
        info, domid = await self._parts.alive(reference, "detach a device from")
        await self._require_controller(domid, devid, info)

        async def body() -> None:
            await self._call(self._libxl.remove_device, domid, "usbctrl", devid, force=False)

        return await begin(self._parts, "usb-hc-destroy", info, body, who)

    async def attach_usb(self, reference: str, device: UsbDevice, *, who: str) -> Operation:
        """Plug a USB device of the host into a domain's controller; libxl makes one if there is none.

        Raises:
            NotFound: the host has no such device; and as `detach_pci`.
        """
        info, domid = await self._parts.alive(reference, "attach a device to")
        if device.path is not None:
            found = host_usb.find(device.path)
            device = replace(device, path=None, hostbus=found.bus, hostaddr=found.address)
        elif device.hostbus is None or device.hostaddr is None:
            raise BadInput("a USB device is named by its port, or by its bus and address on the host")

        async def prepare() -> UndoRecord:
            undo = TakeUsb(info.uuid, domid, device.hostbus or 0, device.hostaddr or 0)
            if await self._usb_place(undo) is not None:
                raise AlreadyExists(f"'{info.name}' has this USB device already")
            return undo

        async def body() -> None:
            document: Document = {"type.hostdev": {"hostbus": device.hostbus, "hostaddr": device.hostaddr}}
            places = {"ctrl": device.controller, "port": device.port}
            document |= {name: value for name, value in places.items() if value is not None}
            await self._call(self._libxl.add_device, domid, "usbdev", document)

        return await begin(self._parts, "usb-attach", info, body, who, prepare)

    async def detach_usb(self, reference: str, controller: int, port: int, *, who: str) -> Operation:
        """Unplug what is in a port of a domain's controller.

        Raises:
            NotFound: there is no such controller; and as `detach_pci`.
        """
        info, domid = await self._parts.alive(reference, "detach a device from")
        await self._require_controller(domid, controller, info)

        async def body() -> None:
            await self._call(self._libxl.remove_device, domid, "usbdev", controller, port, force=False)

        return await begin(self._parts, "usb-detach", info, body, who)

    async def _require_controller(self, domid: int, devid: int, info: DomainInfo) -> None:
        if devid not in await self._controllers(domid):
            raise NotFound(f"Cannot find device '{devid}' in domain '{info.name}'")

    # Undoing

    async def undo(self, record: TakePci | SettlePci | TakeUsb | TakeNew) -> bool:
        """Take back what a call of libxl did; True: its operation is done by that. Harmless when repeated."""
        found = await self._call(self._libxl.domain_info, record.domid)
        if found is None or found["uuid"] != record.uuid:
            return False
        match record:
            case TakePci(uuid, domid, device, _):
                if await self._owns(domid, device):
                    await self._call(self._libxl.remove_pci, domid, _pci_json(device), force=True)
                await reconfigure(self._parts.kept, uuid, domid, _without_pci(device))
            case SettlePci(uuid, domid, device):
                if await self._owns(domid, device):
                    return False
                await reconfigure(self._parts.kept, uuid, domid, _without_pci(device))
                return True
            case TakeUsb():
                if (place := await self._usb_place(record)) is not None:
                    await self._call(self._libxl.remove_device, record.domid, "usbdev", *place, force=False)
            case TakeNew(_, domid, _, before):
                for devid in sorted({*await self._controllers(domid)} - {*before}):
                    await self._call(self._libxl.remove_device, domid, "usbctrl", devid, force=False)
        return False

    async def _owns(self, domid: int, device: PciDevice) -> bool:
        owned = [_pci_info(each) for each in await self._call(self._libxl.list_pci, domid)]
        return _address(device) in [each.address for each in owned]

    async def _usb_place(self, record: TakeUsb) -> tuple[int, int] | None:
        """Controller and port of a host's device in a domain; None: it has it not."""
        for each in await self._call(self._libxl.list_usb_devices, record.domid):
            host = _hostdev(each)
            if (host.get("hostbus"), host.get("hostaddr")) == (record.hostbus, record.hostaddr):
                return each.get("ctrl", 0), each.get("port", 0)
        return None

    async def _controllers(self, domid: int) -> list[int]:
        known = await self._call(self._libxl.list_usb_controllers, domid)
        return [each.get("devid", 0) for each in known]


def require_pciback() -> None:
    """Raises HostProblem unless dom0 can give PCI devices away."""
    if not _PCIBACK.is_dir():
        raise HostProblem("pciback/pci-stub not loaded?", hint="modprobe xen-pciback")


def _require_pci(device: PciDevice) -> None:
    slot = f"{device.domain:04x}:{device.bus:02x}:{device.device:02x}"
    pattern = f"{slot}.*" if device.all_functions else f"{slot}.{device.function:x}"
    if not any(Path("/sys/bus/pci/devices").glob(pattern)):
        raise NotFound(f"this host has no PCI device {pattern}", hint="lspci -D lists them")


def _with_pci(device: PciDevice) -> Change:
    return lambda config: replace(config, pci_devices=(*config.pci_devices, device))


def _without_pci(device: PciDevice) -> Change:
    def change(config: DomainConfig) -> DomainConfig:
        left = tuple(each for each in config.pci_devices if not _same(each, device))
        return replace(config, pci_devices=left)

    return change


def _address(device: PciDevice) -> str:
    return f"{device.domain:04x}:{device.bus:02x}:{device.device:02x}.{device.function:x}"


def _same(one: PciDevice, other: PciDevice) -> bool:
    return (one.name or _address(one)) == (other.name or _address(other))


def _pci_json(device: PciDevice) -> Document:
    from domus.config.compile.devices import pci_json

    return pci_json(device)


def _pci_info(document: Document) -> PciInfo:
    place = document.get("bdf", document)
    return PciInfo(
        domain=place.get("domain", 0),
        bus=place.get("bus", 0),
        device=place.get("dev", 0),
        function=place.get("func", 0),
        vdevfn=document.get("vdevfn") or None,
        name=document.get("name"),
    )


def _hostdev(plugged: Document) -> Document:
    """Bus and address on the host of a USB device that a domain has."""
    found: Document = plugged.get("type.hostdev", plugged.get("u", {}).get("hostdev", {}))
    return found


def _usb_info(controller: Document, plugged: list[Document]) -> UsbControllerInfo:
    devid, info = controller.get("devid", 0), controller.get("info", {})
    by_port = {each.get("port", 0): _hostdev(each) for each in plugged if each.get("ctrl", 0) == devid}
    ports = tuple(
        UsbPort(
            port=port,
            bus=by_port.get(port, {}).get("hostbus"),
            address=by_port.get(port, {}).get("hostaddr"),
        )
        for port in range(1, controller.get("ports", 0) + 1)
    )
    return UsbControllerInfo(
        devid=devid,
        kind=controller.get("type", "auto"),
        backend_domid=controller.get("backend_domid", 0),
        state=info.get("state", 0),
        version=controller.get("version", 0),
        backend=info.get("backend") or "",
        ports=ports,
    )
