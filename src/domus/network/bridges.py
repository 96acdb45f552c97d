"""Bridges of dom0: read from sysfs, changed through iproute2's `ip`.

Names of devices reach `ip` as single arguments behind a keyword (`dev`, `master`), never alone and never
through a shell, and only after `check_device_name`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from domus.model.errors import BadInput, NotFound
from domus.network.iproute import SYS_NET, ip, set_ports, set_switch

#: What every bridge and vif has unless told otherwise (linux/if_ether.h, ETH_DATA_LEN).
DEFAULT_MTU: Final = 1500

#: linux/if.h: IFNAMSIZ is 16, with the final zero.
_DEVICE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,14}")


def check_device_name(name: str) -> str:
    """`name`, if a network device may be called so.

    Raises:
        BadInput: it has other characters, begins with one that programs take for an option, or is too long.
    """
    if not _DEVICE_NAME.fullmatch(name):
        raise BadInput(f"invalid network device name {name[:40]!r}", hint="up to 15 letters and digits")
    return name


def names() -> list[str]:
    """The bridges of this host, in order of their index, which is the order of their making."""
    found = [entry.parent for entry in SYS_NET.glob("*/bridge")]
    return [entry.name for entry in sorted(found, key=lambda entry: (_number(entry / "ifindex"), entry.name))]


def exists(name: str) -> bool:
    """This host has a bridge of that name."""
    return bool(_DEVICE_NAME.fullmatch(name)) and (SYS_NET / name / "bridge").is_dir()


def default() -> str | None:
    """The bridge for cards that name none: the host's first, as xm had it; None: it has no bridge."""
    return next(iter(names()), None)


def require(name: str, *, where: str = "") -> str:
    """`name`, if it is a bridge of this host.

    Raises:
        NotFound: it is not; the message has those that are.
    """
    if exists(name):
        return name
    have = ", ".join(names()) or "no bridge at all"
    raise NotFound(f"bridge {name[:40]!r} does not exist (this host has: {have})", where=where)


def filters_vlans(name: str) -> bool:
    """A bridge tells VLANs apart."""
    return _number(SYS_NET / name / "bridge" / "vlan_filtering") == 1


def ports(name: str) -> set[str]:
    """The devices plugged into a bridge; empty when there is no such bridge."""
    try:
        return {entry.name for entry in (SYS_NET / name / "brif").iterdir()}
    except OSError:
        return set()


def mtu(device: str) -> int:
    """The largest packet of a bridge or device, in bytes."""
    return _number(SYS_NET / device / "mtu") or DEFAULT_MTU


def has_device(name: str) -> bool:
    """Dom0 has a network device of that name now."""
    return (SYS_NET / name).is_dir()


async def add_port(bridge: str, device: str, *, mtu: int | None = None, flags: Sequence[str] = ()) -> None:
    """Plug a device into a bridge and set it up. May be called twice.

    Args:
        flags: commands of `bridge` about the port, carried out while nothing passes it yet.

    Effect:
        Dom0 itself does not speak on the device: no ARP, no IPv6 of its own, as its guest is no
        network of dom0's.

    Raises:
        ProgramFailed: `ip` failed; the hint is its command line.
    """
    silence_ipv6(device)
    size = () if mtu is None else ("mtu", str(mtu))
    if not flags:
        await ip("link", "set", "dev", device, *size, "arp", "off", "master", bridge, "up")
        return
    await ip("link", "set", "dev", device, "down", *size, "arp", "off", "master", bridge)
    await set_ports(flags)
    await ip("link", "set", "dev", device, "up")


async def remove_port(device: str) -> None:
    """Set a device down and take it out of its bridge; harmless when it is gone or in none."""
    if has_device(device):
        await ip("link", "set", "dev", device, "nomaster", "down")


async def rename(device: str, name: str) -> None:
    """Give a device that is down another name.

    Raises:
        ProgramFailed: the name is taken, or the device is gone or up.
    """
    await ip("link", "set", "dev", device, "name", check_device_name(name))


def silence_ipv6(device: str) -> None:
    """Let dom0 have no IPv6 address on a device; before it is set up."""
    set_switch(f"ipv6/conf/{device}/disable_ipv6", "1", needed=False)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
