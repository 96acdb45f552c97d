"""Devices of running domains: what is asked for, and what there is."""

from __future__ import annotations

import msgspec

from domus.model.config import Disk, Nic, PciDevice, UsbController, UsbDevice


class AttachDisk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/disks: attach a disk. PUT: change the medium of the CD drive of its name."""

    disk: Disk
    persist: bool = False  #: keep it in the configuration of the managed domain, too; not for PUT


class AttachNic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/nics: attach a network card."""

    nic: Nic = Nic()
    persist: bool = False  #: keep it in the configuration of the managed domain, too


class AttachPci(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/pci: give a PCI device of the host. DELETE: take it away."""

    device: PciDevice
    force: bool = False  #: DELETE: whether the guest agrees or not


class AttachUsbController(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/usb-controllers: give a USB controller."""

    controller: UsbController = UsbController()


class AttachUsbDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/usb-devices: give a USB device of the host."""

    device: UsbDevice


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One device of a running domain, as XenStore has it."""

    kind: str  #: of its frontend: "vbd", "vif", "vtpm", "console", "vkb", "9pfs" and others
    devid: int  #: its number within its kind
    backend_domid: int  #: the domain that serves it; -1: not known
    backend: str  #: path of its backend in XenStore; "": it has none
    state: int  #: where its frontend is (xenbus): 1 initialising, 4 connected, 6 closed
    frontend_nodes: dict[str, str] = {}  #: in XenStore's order; the guest wrote them: not to be believed
    backend_nodes: dict[str, str] = {}


class PciInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI device of the host that a domain owns, or could be given."""

    domain: int
    bus: int
    device: int
    function: int
    vdevfn: int | None = None  #: slot in the guest times 8, plus function; None: not known
    name: str | None = None  #: given when it was made assignable

    @property
    def address(self) -> str:
        """As "0000:07:00.0"."""
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function:x}"


class MakeAssignable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PUT /v1/host/pci/assignable: hand a PCI device to pciback. DELETE: take it back."""

    device: PciDevice
    rebind: bool = True  #: PUT: note its driver; DELETE: give it back to that


class HostUsb(msgspec.Struct, frozen=True, kw_only=True):
    """A USB device of the host."""

    path: str  #: its port, as in /sys/bus/usb/devices: "1-1.2"
    bus: int
    address: int
    vendor: str = ""  #: four hexadecimal digits
    product: str = ""
    text: str = ""  #: what it says that it is


class UsbPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a guest's USB controller."""

    port: int
    bus: int | None = None  #: bus and address on the host of what is plugged into it; None: nothing
    address: int | None = None


class UsbControllerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A USB controller of a running domain."""

    devid: int
    kind: str  #: "pv", "qusb" or "devicemodel"
    backend_domid: int
    state: int
    version: int
    backend: str = ""
    ports: tuple[UsbPort, ...] = ()
