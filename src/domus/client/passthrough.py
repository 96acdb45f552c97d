"""Devices of the host that domains own: `client.passthrough`. Operations as in `client.devices`."""

from __future__ import annotations

import msgspec

from domus.client.calls import Calls, domain_path
from domus.model.config import PciDevice, UsbController, UsbDevice
from domus.model.live import (
    AttachPci,
    AttachUsbController,
    AttachUsbDevice,
    HostUsb,
    MakeAssignable,
    PciInfo,
    UsbControllerInfo,
)
from domus.model.operation import Operation

_ASSIGNABLE = "/v1/host/pci/assignable"


class Passthrough:
    """PCI and USB devices of one domain after the other."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    # PCI

    def pci(self, ref: str) -> list[PciInfo]:
        """The PCI devices of a domain."""
        return self._calls.get(f"{domain_path(ref)}/pci", list[PciInfo])

    def assignable_pci(self) -> list[PciInfo]:
        """The PCI devices that a domain could be given."""
        return self._calls.get(_ASSIGNABLE, list[PciInfo])

    def make_assignable(self, device: PciDevice, *, rebind: bool = True) -> None:
        """Take a PCI device from its driver; `rebind`: note which, for the way back."""
        self._calls.ask("PUT", _ASSIGNABLE, MakeAssignable(device=device, rebind=rebind))

    def make_unassignable(self, device: PciDevice, *, rebind: bool = True) -> None:
        """Give a PCI device back to the host; `rebind`: to its driver."""
        self._calls.ask("DELETE", _ASSIGNABLE, MakeAssignable(device=device, rebind=rebind))

    def attach_pci(self, ref: str, device: PciDevice) -> Operation:
        """Begin to give a PCI device to a domain."""
        return self._calls.post(f"{domain_path(ref)}/pci", AttachPci(device=device), Operation)

    def detach_pci(self, ref: str, device: PciDevice, *, force: bool = False) -> Operation:
        """Begin to take a PCI device from a domain."""
        return self._ask("DELETE", f"{domain_path(ref)}/pci", AttachPci(device=device, force=force))

    # USB

    def usb(self, ref: str) -> list[UsbControllerInfo]:
        """The USB controllers of a domain."""
        return self._calls.get(f"{domain_path(ref)}/usb-controllers", list[UsbControllerInfo])

    def host_usb(self) -> list[HostUsb]:
        """The USB devices of the host."""
        return self._calls.get("/v1/host/usb", list[HostUsb])

    def attach_usb_controller(self, ref: str, controller: UsbController) -> Operation:
        """Begin to give a domain a USB controller."""
        body = AttachUsbController(controller=controller)
        return self._calls.post(f"{domain_path(ref)}/usb-controllers", body, Operation)

    def detach_usb_controller(self, ref: str, devid: int) -> Operation:
        """Begin to take a USB controller from a domain."""
        return self._ask("DELETE", f"{domain_path(ref)}/usb-controllers/{devid}")

    def attach_usb(self, ref: str, device: UsbDevice) -> Operation:
        """Begin to plug a USB device of the host into a domain's controller."""
        body = AttachUsbDevice(device=device)
        return self._calls.post(f"{domain_path(ref)}/usb-devices", body, Operation)

    def detach_usb(self, ref: str, controller: int, port: int) -> Operation:
        """Begin to unplug what is in a port of a domain's controller."""
        return self._ask("DELETE", f"{domain_path(ref)}/usb-devices/{controller}/{port}")

    def _ask(self, method: str, target: str, body: msgspec.Struct | None = None) -> Operation:
        return msgspec.json.decode(self._calls.ask(method, target, body), type=Operation)
