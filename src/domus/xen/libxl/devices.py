"""Devices of running domains: added, taken away, listed; and what of the host can be given to a domain.

A kind is the middle of libxl's names: "disk" stands for libxl_device_disk and its functions.

Source: libxl.h (section "Device Management"), the same in 4.17 and 4.20.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_void_p
from typing import Any, Final

import msgspec

from domus.xen.libxl.abi import CTX, DOMID, HOW, STRUCT, TEXT, Prototypes
from domus.xen.libxl.calls import Calls, Document
from domus.xen.libxl.context import Context

#: the verbs that each kind of device has
_VERBS: Final = {
    "disk": ("add", "remove", "safe_remove", "destroy"),
    "nic": ("add", "remove", "destroy"),
    "pci": ("add", "remove", "destroy"),
    "usbctrl": ("add", "remove", "destroy"),
    "usbdev": ("add", "remove"),
    "vtpm": ("add", "remove", "destroy"),
    "vkb": ("add", "remove", "destroy"),
    "vdispl": ("add", "remove", "destroy"),
    "vsnd": ("add", "remove", "destroy"),
}
_STRUCTS: Final = (*_VERBS, "usbctrlinfo")
_LISTS: Final = ("pci", "usbctrl", "usbdev")


def _struct_name(kind: str) -> str:
    return f"libxl_{kind}" if kind.endswith("info") else f"libxl_device_{kind}"


def _prototypes() -> Prototypes:
    rows: Prototypes = {}
    for kind in _STRUCTS:
        struct = _struct_name(kind)
        rows[f"{struct}_init"] = rows[f"{struct}_dispose"] = (None, (STRUCT,))
        rows[f"{struct}_to_json"] = (TEXT, (CTX, STRUCT))
        if kind in _VERBS:
            rows[f"{struct}_from_json"] = (c_int, (CTX, STRUCT, c_char_p))
    for kind, verbs in _VERBS.items():
        rows |= {f"libxl_device_{kind}_{verb}": (c_int, (CTX, DOMID, STRUCT, HOW)) for verb in verbs}
    for kind in _LISTS:
        rows[f"libxl_device_{kind}_list"] = (STRUCT, (CTX, DOMID, POINTER(c_int)))
        rows[f"libxl_device_{kind}_list_free"] = (None, (STRUCT, c_int))
    return rows


PROTOTYPES: Final[Prototypes] = _prototypes() | {
    "libxl_vdev_to_device_disk": (c_int, (CTX, DOMID, c_char_p, STRUCT)),
    "libxl_userdata_retrieve": (
        c_int,
        (CTX, DOMID, c_char_p, POINTER(c_void_p), POINTER(c_int)),
    ),
    "libxl_userdata_store": (c_int, (CTX, DOMID, c_char_p, c_char_p, c_int)),
    "libxl_cdrom_insert": (c_int, (CTX, DOMID, STRUCT, HOW)),
    "libxl_devid_to_device_nic": (c_int, (CTX, DOMID, c_int, STRUCT)),
    "libxl_devid_to_device_usbctrl": (c_int, (CTX, DOMID, c_int, STRUCT)),
    "libxl_devid_to_device_vtpm": (c_int, (CTX, DOMID, c_int, STRUCT)),
    "libxl_devid_to_device_vkb": (c_int, (CTX, DOMID, c_int, STRUCT)),
    "libxl_devid_to_device_vdispl": (c_int, (CTX, DOMID, c_int, STRUCT)),
    "libxl_devid_to_device_vsnd": (c_int, (CTX, DOMID, c_int, STRUCT)),
    "libxl_ctrlport_to_device_usbdev": (c_int, (CTX, DOMID, c_int, c_int, STRUCT)),
    "libxl_device_usbctrl_getinfo": (c_int, (CTX, DOMID, STRUCT, STRUCT)),
    "libxl_device_pci_assignable_add": (c_int, (CTX, STRUCT, c_int)),
    "libxl_device_pci_assignable_remove": (c_int, (CTX, STRUCT, c_int)),
    "libxl_device_pci_assignable_list": (STRUCT, (CTX, POINTER(c_int))),
    "libxl_device_pci_assignable_list_free": (None, (STRUCT, c_int)),
    "libxl_device_pci_assignable_bdf2name": (TEXT, (CTX, c_void_p)),
}

#: a domain's configuration among what libxl keeps (libxl_dom.c, libxl__set_domain_configuration)
_CONFIG: Final = b"libxl-json"

#: how libxl finds a device that is there: the function, by kind
_FINDERS: Final = {
    "disk": "libxl_vdev_to_device_disk",
    "nic": "libxl_devid_to_device_nic",
    "usbctrl": "libxl_devid_to_device_usbctrl",
    "usbdev": "libxl_ctrlport_to_device_usbdev",
    "vtpm": "libxl_devid_to_device_vtpm",
    "vkb": "libxl_devid_to_device_vkb",
    "vdispl": "libxl_devid_to_device_vdispl",
    "vsnd": "libxl_devid_to_device_vsnd",
}


class DeviceCalls(Calls):
    """Devices of one domain after the other."""

    def add_device(self, domid: int, kind: str, document: Document) -> Document:
        """Attach a device; returns it as libxl has it then, with what it chose.

        Args:
            kind: one of disk, nic, pci, usbctrl, usbdev, vtpm, vkb, vdispl, vsnd.
            document: the device as in a list of libxl_domain_config.

        Returns:
            Once its backend waits for a frontend. A hotplug script that it names has run by then.

        Raises:
            LibxlError: it failed; libxl has taken away what it had made of it.
        """
        struct = f"libxl_device_{kind}"
        with self._contexts.lease() as context, self._filled(context, struct, document) as device:
            context.call(f"{struct}_add", domid, device, None, domid=domid)
            return self._printed(context, struct, device)

    def remove_device(self, domid: int, kind: str, *place: int | str, force: bool) -> None:
        """Take a device away.

        Args:
            place: where it is: a disk's number as text, a card's devid, a USB device's controller and port.
            force: at once, without asking the guest; else the guest is given 10 s to let go of it.

        Raises:
            LibxlError: there is none; or ERROR_TIMEDOUT, the guest did not let go of it, and its backend
                is left closing.
        """
        words = [each.encode() if isinstance(each, str) else each for each in place]
        struct = f"libxl_device_{kind}"
        with self._contexts.lease() as context, self._struct(struct) as device:
            context.call(_FINDERS[kind], domid, *words, device, domid=domid)
            context.call(f"{struct}_{_verb(kind, force=force)}", domid, device, None, domid=domid)

    def insert_medium(self, domid: int, document: Document) -> None:
        """Change the medium in a CD drive of an HVM guest; a disk of format "empty" takes it out.

        Raises:
            LibxlError: the guest is no HVM guest, or has no such drive.
        """
        with self._contexts.lease() as context, self._filled(context, "libxl_device_disk", document) as disk:
            context.call("libxl_cdrom_insert", domid, disk, None, domid=domid)

    def note_device(self, domid: int, kind: str, document: Document) -> None:
        """Write a device that was attached without libxl into the configuration that it keeps of the domain.

        From there it comes when the domain is saved, migrated, or rebooted by xl. That configuration is
        not told when a device goes: libxl leaves out what XenStore does not have (libxl_domain.c,
        libxl_retrieve_domain_configuration).

        Args:
            kind: "disk" or "nic", told from others by its vdev or devid.

        Effect:
            A change that xl makes to the same domain in the same moment may be lost.
        """
        key = {"disk": "vdev", "nic": "devid"}[kind]
        with self._contexts.lease() as context:
            data, size = ctypes.c_void_p(), ctypes.c_int()
            context.call("libxl_userdata_retrieve", domid, _CONFIG, byref(data), byref(size), domid=domid)
            text = ctypes.string_at(data.value, size.value) if data.value else b""
            self._library.free(data)
            if not text:
                return  # libxl keeps nothing of it: it was made by another toolstack
            config: Document = msgspec.json.decode(text.rstrip(b"\0"))
            others = [each for each in config.get(f"{kind}s", []) if each.get(key, 0) != document[key]]
            config[f"{kind}s"] = [*others, document]
            # With the zero at its end, as libxl keeps it.
            text = msgspec.json.format(msgspec.json.encode(config), indent=4) + b"\0"
            context.call("libxl_userdata_store", domid, _CONFIG, text, len(text), domid=domid)

    # PCI

    def list_pci(self, domid: int) -> list[Document]:
        """The PCI devices that a domain owns."""
        return self._listed("pci", domid)

    def remove_pci(self, domid: int, document: Document, *, force: bool) -> None:
        """Take a PCI device, which has no number of its own, from a domain."""
        with self._contexts.lease() as context, self._filled(context, "libxl_device_pci", document) as device:
            context.call(f"libxl_device_pci_{_verb('pci', force=force)}", domid, device, None, domid=domid)

    def list_assignable_pci(self) -> list[Document]:
        """The PCI devices that pciback holds and no domain owns; each with its "name", if it has one."""
        number = ctypes.c_int()
        with self._contexts.lease() as context:
            first = context.get("libxl_device_pci_assignable_list", byref(number))
            try:
                places = self._places("libxl_device_pci", first, number.value)
                return [self._printed(context, "libxl_device_pci", place) for place in places]
            finally:
                self._library.libxl_device_pci_assignable_list_free(first, number)

    def make_pci_assignable(self, document: Document, *, rebind: bool) -> None:
        """Hand a PCI device of the host to pciback; `rebind`: note its driver, for the way back."""
        self._assign("add", document, rebind=rebind)

    def make_pci_unassignable(self, document: Document, *, rebind: bool) -> None:
        """Take a PCI device from pciback; `rebind`: give it to the driver that it had before."""
        self._assign("remove", document, rebind=rebind)

    def _assign(self, verb: str, document: Document, *, rebind: bool) -> None:
        with self._contexts.lease() as context, self._filled(context, "libxl_device_pci", document) as device:
            context.call(f"libxl_device_pci_assignable_{verb}", device, int(rebind))

    # USB

    def list_usb_controllers(self, domid: int) -> list[Document]:
        """The USB controllers of a domain: libxl_device_usbctrl and, under "info", libxl_usbctrlinfo."""
        number = ctypes.c_int()
        with self._contexts.lease() as context:
            first = self._library.libxl_device_usbctrl_list(context.pointer, domid, byref(number))
            if not first:  # null with no error when there is none
                return []
            try:
                places = self._places("libxl_device_usbctrl", first, number.value)
                return [self._usb_controller(context, domid, place) for place in places]
            finally:
                self._library.libxl_device_usbctrl_list_free(first, number)

    def _usb_controller(self, context: Context, domid: int, place: int) -> Document:
        document = self._printed(context, "libxl_device_usbctrl", place)
        with self._struct("libxl_usbctrlinfo") as info:
            context.call("libxl_device_usbctrl_getinfo", domid, place, info, domid=domid)
            return document | {"info": self._printed(context, "libxl_usbctrlinfo", info)}

    def list_usb_devices(self, domid: int) -> list[Document]:
        """The USB devices of the host that a domain has."""
        return self._listed("usbdev", domid)

    def _listed(self, kind: str, domid: int) -> list[Document]:
        number = ctypes.c_int()
        struct = f"libxl_device_{kind}"
        functions: Any = self._library
        with self._contexts.lease() as context:
            first = getattr(functions, f"{struct}_list")(context.pointer, domid, byref(number))
            if not first:  # null with no error when there is none
                return []
            try:
                places = self._places(struct, first, number.value)
                return [self._printed(context, struct, place) for place in places]
            finally:
                getattr(functions, f"{struct}_list_free")(first, number)


def _verb(kind: str, *, force: bool) -> str:
    """The function that takes a device away."""
    if force and "destroy" in _VERBS[kind]:
        return "destroy"
    # libxl's plain "remove" pulls a disk away after 10 s, whatever the guest does with it.
    return "safe_remove" if "safe_remove" in _VERBS[kind] else "remove"
