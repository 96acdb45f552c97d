"""USB devices of this host, from sysfs (Linux Documentation/ABI/stable/sysfs-bus-usb)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from domus.model.errors import NotFound
from domus.model.live import HostUsb

_DEVICES: Final = Path("/sys/bus/usb/devices")
_PORT: Final = re.compile(r"[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}")
_HUB: Final = "09"  # bDeviceClass


def devices() -> list[HostUsb]:
    """All that are plugged in, hubs left out: no guest can be given one."""
    paths = [path for path in _DEVICES.glob("*") if _PORT.fullmatch(path.name)]
    found = [_read(path) for path in sorted(paths) if _text(path / "bDeviceClass") != _HUB]
    return [each for each in found if each is not None]


def find(port: str) -> HostUsb:
    """What is plugged into a port of this host, such as "1-1.2".

    Raises:
        NotFound: nothing, or there is no such port.
    """
    found = _read(_DEVICES / port) if _PORT.fullmatch(port) else None
    if found is None:
        raise NotFound(f"Invalid Busid '{port[:40]}'", hint="`xm usb-list-assignable-devices` lists them")
    return found


def _read(path: Path) -> HostUsb | None:
    bus, address = _text(path / "busnum"), _text(path / "devnum")
    if not (bus.isdecimal() and address.isdecimal()):
        return None
    words = (_text(path / "manufacturer"), _text(path / "product"))
    return HostUsb(
        path=path.name,
        bus=int(bus),
        address=int(address),
        vendor=_text(path / "idVendor"),
        product=_text(path / "idProduct"),
        text=" ".join(word for word in words if word),
    )


def _text(path: Path) -> str:
    try:
        text = path.read_text(errors="replace").strip()
    except OSError:
        return ""
    return "".join(each if each.isprintable() else "?" for each in text[:200])
