"""Network card specifications: key=value pairs, the same in both languages but for a few keys."""

from __future__ import annotations

import re
from typing import Any, Final

from domus.config.document import Spec
from domus.config.parameters.numbers import whole
from domus.config.reading.pairs import pairs
from domus.config.reading.reading import Reading
from domus.model.config import Nic, NicKind

_KEYS: Final = [
    "mac",
    "bridge",
    "ip",
    "script",
    "type",
    "backend",
    "vifname",
    "model",
    "rate",
    "accel",
    "policy",
    "label",
    "gatewaydev",
    "netdev",
    "devid",
    "mtu",
    "vlan",
    "network",
    "be_mac",
    "antispoof",
    "isolated",
]
_KINDS: Final = {
    "ioemu": NicKind.IOEMU,
    "vif": NicKind.VIF,
    "netfront": NicKind.VIF,
    "paravirtualised": NicKind.VIF,
    "paravirtualized": NicKind.VIF,
}
_MAC: Final = re.compile(r"([0-9a-fA-F]{2})([:-])([0-9a-fA-F]{2}\2){4}[0-9a-fA-F]{2}")
_RATE: Final = re.compile(r"([0-9]{1,12})([GMK]?)([Bb])/s(?:@([0-9]{1,12})([mu]?)s?)?")
_FACTORS: Final = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_UINT32: Final = (1 << 32) - 1
_SAID: Final = {"1": True, "yes": True, "on": True, "0": False, "no": False, "off": False}
_VLAN: Final = re.compile(r"[0-9pu/x+\-]{1,200}")


def nics(reading: Reading) -> None:
    """Read `vif` and the count of `nics`."""
    found: list[Nic] = []
    for spec in reading.specs("vif"):
        nic = read_nic(reading, spec)
        if nic is None:
            continue
        for earlier, other in enumerate(found):
            if nic.mac and nic.mac == other.mac:
                spec.error(f"the MAC {nic.mac} is already used by vif[{earlier}]", near=nic.mac)
        found.append(nic)
    count = reading.value("nics")
    if count is not None:
        reading.warn("nics", "is deprecated", "add an empty text to vif for each further card")
        found.extend(Nic() for _ in range(count - len(found)))
    if reading.value("ne2000"):
        found = [Nic(model="ne2k_pci") if nic == Nic() else nic for nic in found]
    reading.fields["nics"] = tuple(found)


def read_nic(reading: Reading, spec: Spec) -> Nic | None:
    """One specification; None: it was wrong, and that is reported."""
    given = pairs(spec, _KEYS, flags=("trusted", "untrusted"))
    if given is None:
        return None
    values: dict[str, Any] = {}
    for key, text in given.items():
        if not _entry(reading, spec, key, text, values):
            return None
    return Nic(**values)


def _entry(reading: Reading, spec: Spec, key: str, text: str, values: dict[str, Any]) -> bool:
    """Understand one pair; False: it was wrong."""
    if key in ("trusted", "untrusted"):
        values["trusted"] = key == "trusted"
    elif key in ("accel", "policy", "label", "be_mac"):
        spec.warn(f"{key}= has no meaning on today's Xen; ignored", near=key)
    elif not text:
        return True
    elif key in ("bridge", "script", "model", "network"):
        values[key] = text
    elif key == "backend":
        values["backend_domain"] = text
    elif key in ("gatewaydev", "netdev"):
        values["gateway_device"] = text
    elif key == "ip":
        values["ips"] = tuple(text.split())
    elif key in ("devid", "mtu"):
        return _number(spec, key, text, values)
    elif key == "mac":
        values["mac"] = read_mac(spec, text)
        return values["mac"] is not None
    elif key == "rate":
        return _rate(spec, text, values)
    elif key == "vifname":
        values["vifname"] = text
        if len(text) > 15 or "/" in text:
            spec.error(f"vifname {text[:40]!r} must have up to 15 characters and no /", near=text)
            return False
    elif key in ("antispoof", "isolated"):
        values[key] = _SAID.get(text.lower())
        if values[key] is None:
            spec.error(f"{key} is yes or no, not {text[:40]!r}", near=text)
            return False
    elif key == "vlan":
        values["vlan"] = text
        if not _VLAN.fullmatch(text):
            spec.error(f"vlan {text[:40]!r} is not understood", "such as 10 or 10p/20", near=text)
            return False
    elif key == "type":
        return _kind(reading, spec, text, values)
    return True


def _number(spec: Spec, key: str, text: str, values: dict[str, Any]) -> bool:
    number = whole(text)
    least, most = (68, 65535) if key == "mtu" else (0, 65535)
    if number is None or not least <= number <= most:
        spec.error(f"{key} must be a whole number from {least} to {most}, not {text[:40]!r}", near=text)
        return False
    values[key] = number
    return True


def _kind(reading: Reading, spec: Spec, text: str, values: dict[str, Any]) -> bool:
    kind = _KINDS.get(text)
    if kind is None:
        spec.error(f"type must be ioemu or vif, not {text[:40]!r}", near=text)
        return False
    if kind is NicKind.IOEMU and not reading.is_hvm:
        spec.warn("type=ioemu is for HVM guests; this one gets a vif", near=text)
        kind = NicKind.VIF
    values["kind"] = kind
    return True


def read_mac(spec: Spec, text: str) -> str | None:
    """A MAC address in lower case with colons; None: it was wrong, and that is reported."""
    if not _MAC.fullmatch(text):
        spec.error(
            f"mac {text[:40]!r}: expected six pairs of hexadecimal digits",
            "such as 00:16:3e:12:34:56",
            near=text,
        )
        return None
    mac = text.lower().replace("-", ":")
    if int(mac[:2], 16) & 1:
        spec.error(
            f"mac {text} is a group address", "the first pair must be even, such as 00:16:3e", near=text
        )
        return None
    if mac == "00:00:00:00:00:00":
        spec.error("mac cannot be all zero", near=text)
        return None
    return mac


def _rate(spec: Spec, text: str, values: dict[str, Any]) -> bool:
    """RATE[@INTERVAL] as bytes per interval; powers of 1000, b is bits; 50 ms unless said otherwise."""
    match = _RATE.fullmatch(text)
    if match is None:
        spec.error(f"rate {text[:40]!r} is not understood", "such as 10Mb/s or 250KB/s@20ms", near=text)
        return False
    number = int(match[1])
    per_second = number * _FACTORS[match[2]] // (8 if match[3] == "b" else 1)
    interval = 50_000
    if match[4] is not None:
        interval = int(match[4]) * {"": 1_000_000, "m": 1_000, "u": 1}[match[5]]
    size = per_second * interval // 1_000_000
    if number > _UINT32 or interval > _UINT32 or size >= 1 << 63:
        spec.error(f"rate {text[:40]!r} is too large", near=text)
        return False
    if size == 0:
        spec.error(
            f"rate {text[:40]!r} would let nothing through", "less than a byte per interval", near=text
        )
        return False
    values["rate_bytes"], values["rate_interval_us"] = size, interval
    return True
