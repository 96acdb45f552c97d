"""USB controllers and devices: xl's usbctrl and usbdev, xm's vusb."""

from __future__ import annotations

from typing import Any, Final

from domus.config.document import Spec
from domus.config.parameters.numbers import whole
from domus.config.reading.pairs import pairs
from domus.config.reading.reading import Reading
from domus.model.config import UsbController, UsbDevice

_KINDS: Final = ("auto", "pv", "qusb", "devicemodel")


def usb(reading: Reading) -> None:
    """Read `usbctrl`, `usbdev` and `vusb`."""
    controllers = [c for spec in reading.specs("usbctrl") if (c := _controller(spec)) is not None]
    devices = [d for spec in reading.specs("usbdev") if (d := _device(spec)) is not None]
    for spec in reading.specs("vusb"):
        _vusb(spec, controllers, devices)
    reading.fields["usb_controllers"] = tuple(controllers)
    reading.fields["usb_devices"] = tuple(devices)


def _number(spec: Spec, key: str, text: str, least: int, most: int) -> int | None:
    number = whole(text)
    if number is None or not least <= number <= most:
        spec.error(f"{key} must be a whole number from {least} to {most}, not {text[:20]!r}", near=text)
        return None
    return number


def _controller(spec: Spec) -> UsbController | None:
    given = pairs(spec, ("type", "version", "ports"))
    if given is None:
        return None
    kind = given.get("type", "auto").lower()
    if kind not in _KINDS:
        spec.error(f"type must be one of {', '.join(_KINDS)}, not {kind[:20]!r}", near=given["type"])
        return None
    most = {"version": 2 if kind in ("pv", "qusb") else 3, "ports": 15 if kind == "devicemodel" else 31}
    numbers = {key: _number(spec, key, given[key], 1, most[key]) for key in most if given.get(key)}
    return None if None in numbers.values() else UsbController(kind=kind, **numbers)


def _device(spec: Spec) -> UsbDevice | None:
    given = pairs(spec, ("type", "hostbus", "hostaddr", "controller", "port"))
    if given is None:
        return None
    if given.pop("type", "hostdev").lower() != "hostdev":
        spec.error("type must be hostdev")
        return None
    if "hostbus" not in given or "hostaddr" not in given:
        spec.error("needs hostbus= and hostaddr=", "lsusb on the host shows them")
        return None
    numbers: dict[str, Any] = {key: _number(spec, key, text, 0, 255) for key, text in given.items()}
    return None if None in numbers.values() else UsbDevice(**numbers)


def _vusb(spec: Spec, controllers: list[UsbController], devices: list[UsbDevice]) -> None:
    """xm's form: a controller, and the host's port behind each of its own: `usbver=2,port_1=1-1.2`."""
    given = pairs(spec, ("usbver", "numports", *(f"port_{number}" for number in range(1, 17))))
    if given is None:
        return
    version = _number(spec, "usbver", given.get("usbver") or "2", 1, 2)
    ports = _number(spec, "numports", given.get("numports") or "8", 1, 16)
    if version is None or ports is None:
        return
    for key, path in given.items():
        number = int(key.removeprefix("port_")) if key.startswith("port_") else 0
        if number > ports:
            spec.error(f"{key} is beyond the controller's {ports} ports", near=key)
        elif number and path:
            if not all(character.isdecimal() or character in "-." for character in path):
                spec.error(f"{path[:20]!r} is not a USB port of the host", "such as 1-1.2", near=path)
                continue
            devices.append(UsbDevice(path=path, controller=len(controllers), port=number))
    controllers.append(UsbController(kind="pv", version=version, ports=ports))
