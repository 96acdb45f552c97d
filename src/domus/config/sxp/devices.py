"""Devices of SXP as the specifications of xm files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from domus.config.sxp.parser import Branch

#: an empty one is no password at all, which is another thing than xend's own
_MAY_BE_EMPTY: Final = {"vncpasswd"}

Specifications = Callable[[Branch], list[str | None]]  #: None: only that it was there


def _disk(device: Branch) -> list[str | None]:
    values = _values(device)
    if values.get("spec"):
        return [values["spec"]]  # ours, for what the others cannot say
    backend = values.get("backend", "0")
    parts = [values.get("uname", ""), values.get("dev", ""), values.get("mode", "w")]
    if backend not in ("", "0"):
        parts.append(backend)
    return [",".join(parts)]


def _values(device: Branch) -> dict[str, str]:
    return {child.head: child.value() for child in reversed(device.children()) if child.head}


def _pairs(*keys: str) -> Specifications:
    def specifications(device: Branch) -> list[str | None]:
        values = _values(device)
        if values.get("backend") == "0":
            del values["backend"]
        # A value with a comma would be two pairs; xm could not write it either.
        return [
            ",".join(
                f"{key}={values[key]}"
                for key in keys
                if values.get(key) or key in _MAY_BE_EMPTY & values.keys()
            )
        ]

    return specifications


def _vif(device: Branch) -> list[str | None]:
    (text,) = _of_vif(device)
    trusted = _values(device).get("trusted")
    flag = {"1": "trusted", "0": "untrusted"}.get(trusted or "", "")
    return [",".join(filter(None, (text, flag)))]


def _pci(device: Branch) -> list[str | None]:
    if device.child("slot") is None and device.child("dev") is not None and device.child("func") is not None:
        values = _values(device)  # Xen 2: dev is the slot
        return [
            _address(
                values.get("domain", "0"), values.get("bus", "0"), values.get("dev", "0"), values["func"]
            )
        ]
    found: list[str | None] = []
    for child in device.children():
        if child.head != "dev":
            continue
        values = _values(child)
        address = _address(*(values.get(key, "0") for key in ("domain", "bus", "slot", "func")))
        vdevfn = values.get("vdevfn", "0x100")
        if vdevfn not in ("0x100", "256", ""):
            address += f"@{_number(vdevfn) >> 3:02x}"
        options = child.child("opts")
        for option in options.children() if options is not None else ():
            address += f",{option.head}={option.value()}"
        found.append(address)
    return found


def _number(text: str) -> int:
    try:
        return int(text[:20], 0)
    except ValueError:
        return 0


def _address(domain: str, bus: str, slot: str, function: str) -> str:
    last = "*" if function.endswith("*") else f"{_number(function):x}"
    return f"{_number(domain):04x}:{_number(bus):02x}:{_number(slot):02x}.{last}"


def _usb(device: Branch) -> list[str | None]:
    values = _values(device)
    parts = [f"usbver={values.get('usb-ver', '2')}", f"numports={values.get('num-ports', '8')}"]
    ports = device.child("port")
    for port in ports.children() if ports is not None else ():
        if port.value():
            parts.append(f"port_{port.head}={port.value()}")
    return [",".join(parts)]


def _ioports(device: Branch) -> list[str | None]:
    values = _values(device)
    return [f"{values.get('from', '')}-{values.get('to', '')}"]


def _irq(device: Branch) -> list[str | None]:
    return [_values(device).get("irq", "")]


def _vtpm(device: Branch) -> list[str | None]:
    values = _values(device)
    pairs = {"backend": values.get("backend", "0"), "uuid": values.get("uuid", "")}
    return [",".join(f"{key}={value}" for key, value in pairs.items() if value)]


def _nothing(device: Branch) -> list[str | None]:
    return []


def _only_there(device: Branch) -> list[str | None]:
    return [None]


_of_vif: Final = _pairs(
    *("type", "mac", "bridge", "ip", "script", "backend", "vifname", "rate", "model"),
    *("devid", "mtu", "vlan", "gatewaydev", "network", "antispoof", "isolated"),  # ours
)

#: type of a device -> (parameter, its specifications)
DEVICES: Final[dict[str, tuple[str, Specifications]]] = {
    "vbd": ("disk", _disk),
    "tap": ("disk", _disk),
    "tap2": ("disk", _disk),
    "vif": ("vif", _vif),
    "vfb": (
        "vfb",
        _pairs(
            "type",
            "vnc",
            "sdl",
            "vncdisplay",
            "vnclisten",
            "vncunused",
            "vncpasswd",
            "display",
            "xauthority",
            "opengl",
            "keymap",
        ),
    ),
    "vkbd": ("vfb", _nothing),
    "console": ("serial", _nothing),
    "pci": ("pci", _pci),
    "vusb": ("vusb", _usb),
    "ioports": ("ioports", _ioports),
    "irq": ("irq", _irq),
    "vtpm": ("vtpm", _vtpm),
    "vscsi": ("vscsi", _only_there),
    "vif2": ("vif2", _only_there),
    "usbport": ("usbport", _only_there),
}
