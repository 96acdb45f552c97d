"""PCI devices: `[DDDD:]BB:SS.F[@VSLOT][,option=value]`, xm's and xl's form."""

from __future__ import annotations

import re
from typing import Any, Final

from domus.config.document import Spec
from domus.config.parameters.kind import Invalid
from domus.config.parameters.numbers import Flag
from domus.config.reading.pairs import pairs
from domus.config.reading.reading import Reading
from domus.model.config import GuestType, PciDevice

_ADDRESS: Final = re.compile(
    r"(?:([0-9a-fA-F]{1,4})[:,])?([0-9a-fA-F]{1,2})[:,]([0-9a-fA-F]{1,2})[.,]([0-7*](?:[0-7,=-]*[0-7])?)"
    r"(?:@([0-9a-fA-F]{1,3}))?"
)
_FLAGS: Final = ("msitranslate", "power_mgmt", "permissive", "seize")
_OPTIONS: Final = (*_FLAGS, "vslot", "rdm_policy", "name", "bdf")


def pci_devices(reading: Reading) -> None:
    """Read `pci` and the defaults of its options."""
    defaults = _defaults(reading)
    found: list[PciDevice] = []
    for spec in reading.specs("pci"):
        for device in _devices(spec, defaults):
            if device in found:
                spec.error("the device is listed twice")
            found.append(device)
    reading.fields["pci_devices"] = tuple(found)
    if not found:
        return
    if reading.guest_type is GuestType.PVH:
        reading.error("pci", "PVH guests cannot own PCI devices on x86")
    if reading.guest_type is GuestType.PV:
        reading.default("e820_host", True)
    most = reading.fields.get("maxmem_mib")
    if reading.is_hvm and most is not None and most != reading.fields["memory_mib"]:
        reading.error("pci", "does not go with memory below maxmem for HVM guests", "set memory to maxmem")


def read_pci(spec: Spec) -> list[PciDevice]:
    """The devices of one specification by itself; empty: it was wrong, and that is reported."""
    return _devices(spec, {})


def _defaults(reading: Reading) -> dict[str, Any]:
    defaults = {
        name: reading.value(f"pci_{name}") for name in _FLAGS if reading.value(f"pci_{name}") is not None
    }
    if reading.is_xm and reading.is_hvm:
        defaults.setdefault("msitranslate", True)
    return defaults


def _devices(spec: Spec, defaults: dict[str, Any]) -> list[PciDevice]:
    """The devices of one specification: several if it names several functions."""
    text = spec.text.strip()
    match = _ADDRESS.match(text)
    rest = text[match.end() :] if match is not None else text
    if match is None and text.startswith("bdf="):
        match = _ADDRESS.fullmatch(text[4:].partition(",")[0])
        rest = "," + text.partition(",")[2]
    if (match is None and "name=" not in text) or (match is not None and rest[:1] not in ("", ",")):
        spec.error(f"{text[:40]!r} is not a PCI address", "such as 0000:07:00.0@5,seize=1")
        return []
    given = pairs(spec, _OPTIONS, text=rest.lstrip(","))
    if given is None:
        return []
    values = dict(defaults)
    if not _options(spec, given, values):
        return []
    if match is None:
        return [PciDevice(**values)]
    return _functions(spec, match, values)


def _options(spec: Spec, given: dict[str, str], values: dict[str, Any]) -> bool:
    for key, text in given.items():
        if key == "vslot":
            if not re.fullmatch(r"(0x)?[01]?[0-9a-fA-F]", text):
                spec.error(f"vslot {text[:20]!r} must be hexadecimal, 00 to 1f", near=text)
                return False
            values["vdevfn"] = int(text, 16) << 3
        elif key in ("rdm_policy", "name"):
            if key == "rdm_policy" and text not in ("strict", "relaxed"):
                spec.error("rdm_policy must be strict or relaxed", near=text)
                return False
            values[key] = text
        else:
            try:
                values[key] = Flag().read(text)
            except Invalid as problem:
                spec.error(f"{key}: {problem.what}", near=text)
                return False
    return True


def _functions(spec: Spec, match: re.Match[str], values: dict[str, Any]) -> list[PciDevice]:
    domain, bus, device = (int(part or "0", 16) for part in match.group(1, 2, 3))
    slot = None if match[5] is None else int(match[5], 16)
    if device > 0x1F or (slot is not None and slot > 0x1F):
        spec.error(f"slot {match[3] if device > 0x1F else match[5]} is beyond 1f (hexadecimal)")
        return []
    if slot is not None:
        values["vdevfn"] = slot << 3
    address: dict[str, Any] = {"domain": domain, "bus": bus, "device": device}
    if match[4] == "*":
        return [PciDevice(**address, all_functions=True, **values)]
    numbers = _numbers(match[4])
    if numbers is None:
        spec.error(
            f"function {match[4]!r} is not understood", "0 to 7, *, or a list such as 0,2-3", near=match[4]
        )
        return []
    made = []
    for virtual, physical in sorted(numbers.items(), reverse=True):  # function 0 makes the slot appear: last
        placed = {"vdevfn": values["vdevfn"] | virtual} if slot is not None and len(numbers) > 1 else {}
        made.append(PciDevice(**address, function=physical, **{**values, **placed}))
    return made


def _numbers(text: str) -> dict[int, int] | None:
    """Functions of `0,2-3` or `1=0`: virtual by physical; None: it is malformed."""
    numbers: dict[int, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"([0-7])(?:-([0-7])|=([0-7]))?", part)
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        for physical in range(first, last + 1):
            virtual = int(match[3]) if match[3] else physical
            if virtual in numbers or physical in numbers.values():
                return None
            numbers[virtual] = physical
    return numbers or None
