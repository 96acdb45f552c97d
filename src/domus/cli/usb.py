"""`xm usb-attach`, `usb-detach`, `usb-list`, `usb-hc-create`, `usb-add` and their like; xl's usbdev-…."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.cli.carry_out import carry_out
from domus.model.config import GuestType, UsbController, UsbDevice
from domus.model.errors import BadInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.options import Call
    from domus.model.live import HostUsb, UsbControllerInfo

_HEADER: Final = f"{'Idx':<3} {'BE':<3} {'state':<5} {'usb-ver':<7}  {'BE-path':<30}"


def create_controller(call: Call) -> int:
    """`xm usb-hc-create DOM USBVER NUMPORTS`."""
    domain, version, ports = call.words
    controller = UsbController(version=_number(call, version, 1, 3), ports=_number(call, ports, 1, 16))
    carry_out(call.client, lambda: call.client.passthrough.attach_usb_controller(domain, controller))
    return 0


def attach_controller(call: Call) -> int:
    """`xm usbctrl-attach DOM [type=T] [version=V] [ports=N]`."""
    domain, *words = call.words
    given = _pairs(call, words, ("type", "version", "ports"))
    controller = UsbController(
        kind=given.get("type", "auto"),
        version=_number(call, given.get("version", "2"), 1, 3),
        ports=_number(call, given.get("ports", "8"), 1, 31),
    )
    if controller.kind not in ("auto", "pv", "qusb", "devicemodel"):
        raise call.wrong(f"Invalid argument: type={controller.kind}")
    carry_out(call.client, lambda: call.client.passthrough.attach_usb_controller(domain, controller))
    return 0


def destroy_controller(call: Call) -> int:
    """`xm usb-hc-destroy DOM DEVID`."""
    domain, devid = call.words
    number = _number(call, devid, 0, 65535)
    carry_out(call.client, lambda: call.client.passthrough.detach_usb_controller(domain, number))
    return 0


def attach(call: Call) -> int:
    """`xm usb-attach DOM DEVID PORT BUSID`."""
    domain, devid, port, path = call.words
    known = {each.devid: each for each in call.client.passthrough.usb(domain)}
    controller = known.get(int(devid)) if devid.isdecimal() else None
    if controller is None:
        raise NotFound(f"Cannot find device '{devid}' in domain '{domain}'")
    place = next((each for each in controller.ports if str(each.port) == port), None)
    if place is None:
        raise BadInput(f"Invalid Port Number '{port}'")
    if place.bus is not None:
        raise BadInput(f"Cannot override already attached port '{port}', detach first.")
    device = UsbDevice(path=path, controller=controller.devid, port=place.port)
    carry_out(call.client, lambda: call.client.passthrough.attach_usb(domain, device))
    return 0


def attach_device(call: Call) -> int:
    """`xm usbdev-attach DOM hostbus=N hostaddr=N [controller=N [port=N]]`."""
    domain, *words = call.words
    given = _pairs(call, words, ("type", "hostbus", "hostaddr", "controller", "port"))
    if "hostbus" not in given or "hostaddr" not in given:
        raise call.wrong("hostbus= and hostaddr= are needed", hint="`xm usb-list-assignable-devices`, lsusb")
    numbers = {key: _number(call, text, 0, 255) for key, text in given.items() if key != "type"}
    device = UsbDevice(
        hostbus=numbers["hostbus"],
        hostaddr=numbers["hostaddr"],
        controller=numbers.get("controller"),
        port=numbers.get("port"),
    )
    carry_out(call.client, lambda: call.client.passthrough.attach_usb(domain, device))
    return 0


def detach(call: Call) -> int:
    """`xm usb-detach DOM DEVID PORT`, as xl's `usbdev-detach`."""
    domain, devid, port = call.words
    controller, number = _number(call, devid, 0, 65535), _number(call, port, 1, 31)
    carry_out(call.client, lambda: call.client.passthrough.detach_usb(domain, controller, number))
    return 0


def add(call: Call) -> int:
    """`xm usb-add DOM host:BUS.ADDR|host:VENDOR:PRODUCT`: to an HVM domain."""
    domain, text = _hvm_words(call, "add usb device to")
    found = _meant(call, text)
    device = UsbDevice(hostbus=found.bus, hostaddr=found.address)
    carry_out(call.client, lambda: call.client.passthrough.attach_usb(domain, device))
    return 0


def delete(call: Call) -> int:
    """`xm usb-del DOM host:BUS.ADDR|host:VENDOR:PRODUCT`."""
    domain, text = _hvm_words(call, "del usb to")
    found = _meant(call, text)
    places = [
        (controller.devid, port.port)
        for controller in call.client.passthrough.usb(domain)
        for port in controller.ports
        if (port.bus, port.address) == (found.bus, found.address)
    ]
    if not places:
        raise NotFound(f"domain '{domain}' does not have {text}")
    carry_out(call.client, lambda: call.client.passthrough.detach_usb(domain, *places[0]))
    return 0


def list_devices(call: Call) -> int:
    """`xm usb-list DOM [--json]`: each controller with its ports."""
    controllers = call.client.passthrough.usb(call.words[0])
    if call.has("json"):
        return _json(controllers)
    if controllers:
        sys.stdout.write(table(controllers, call.client.passthrough.host_usb()))
    return 0


def table(controllers: Sequence[UsbControllerInfo], known: Sequence[HostUsb]) -> str:
    """The header again for each controller, and a line for each port, as xm had it."""
    by_place = {(each.bus, each.address): each for each in known}
    lines = []
    for each in controllers:
        version = {1: "USB1.1", 2: "USB2.0", 3: "USB3.0"}.get(each.version, f"USB{each.version}")
        head = f"{each.devid:<3} {each.backend_domid:<3} {each.state:<5} {version:<7}"
        lines += [_HEADER, f"{head} {each.backend or '??':<30}  "]
        for port in each.ports:
            device = by_place.get((port.bus or -1, port.address or -1))
            if device is not None:
                lines.append(f"port {port.port}: {device.path} [ID {_identity(device)} {device.text}]")
            elif port.bus is not None:
                lines.append(f"port {port.port}: Bus {port.bus:03} Device {port.address or 0:03}")
            else:
                lines.append(f"port {port.port}: ")
    return "".join(f"{line}\n" for line in lines)


def list_assignable(call: Call) -> int:
    """`xm usb-list-assignable-devices [--json]`: the host's own USB devices."""
    found = call.client.passthrough.host_usb()
    if call.has("json"):
        return _json(found)
    for each in found:
        print(f"{each.path:<13}: ID {_identity(each)} {each.text}")
    return 0


def _identity(device: HostUsb) -> str:
    return f"{device.vendor:<4}:{device.product:<4}"


def _hvm_words(call: Call, verb: str) -> tuple[str, str]:
    domain, text = call.words
    if call.client.domain(domain).guest_type is not GuestType.HVM:
        raise call.wrong(f"Can't {verb} a non-hvm guest")
    return domain, text


def _meant(call: Call, text: str) -> HostUsb:
    """The device of the host that `host:BUS.ADDR` or `host:VENDOR:PRODUCT` names."""
    name = text.removeprefix("host:")
    bus, dot, address = name.partition(".")
    vendor, colon, product = name.lower().partition(":")
    for each in call.client.passthrough.host_usb():
        if dot and (str(each.bus), str(each.address)) == (bus, address):
            return each
        if colon and (each.vendor, each.product) == (vendor.zfill(4), product.zfill(4)):
            return each
    if not (dot or colon) or not text.startswith("host:"):
        raise call.wrong(f"Invalid argument: {text}", hint="host:BUS.ADDR or host:VENDOR:PRODUCT")
    raise NotFound(f"the host has no USB device {name}", hint="`xm usb-list-assignable-devices`")


def _pairs(call: Call, words: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in ",".join(words).split(",") if words else ():
        key, sign, value = word.partition("=")
        if not sign or not value or key not in keys:
            raise call.wrong(f"Invalid argument: {word}")
        found[key] = value
    return found


def _number(call: Call, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 7 and least <= int(text) <= most:
        return int(text)
    raise call.wrong("Invalid argument.", hint=f"{text[:40]!r} is no number from {least} to {most}")


def _json(found: object) -> int:
    from domus.cli.as_json import document

    sys.stdout.write(document(found))
    return 0
