"""The bridge of a named network, its address, and what our `inet` table says of it."""

from __future__ import annotations

import hashlib
from typing import Final

from domus.model.errors import Conflict
from domus.model.networks import Network, NetworkKind
from domus.network import bridges
from domus.network.iproute import SYS_NET, ip, ip_all, ip_tried, set_switch
from domus.network.routes import forward

#: what the MACs of bridges that we made begin with, so that none else is taken away: administered locally
_OURS: Final = "02:d0"


def is_active(network: Network) -> bool:
    """Its bridge is there."""
    if not network.has_own_bridge:
        return bridges.exists(network.device)
    return bridges.exists(network.device) and _address(network.device) == own_mac(network)


def own_mac(network: Network) -> str:
    """The MAC address of its bridge: always the same, and no other network's."""
    digest = hashlib.sha256(network.name.encode()).digest()
    return ":".join((_OURS, *(f"{octet:02x}" for octet in digest[:4])))


async def make(network: Network) -> None:
    """Make its bridge and give it the host's address; may be repeated after it was cut off anywhere.

    Raises:
        Conflict: there is a device of its bridge's name that is none of ours.
        NotFound: the bridge of the host that it stands for is not there.
        ProgramFailed: `ip` failed.
    """
    device = network.device
    if not network.has_own_bridge:
        bridges.require(device, where=f"network {network.name}")
        return
    if bridges.has_device(device) and not is_active(network):
        raise Conflict(
            f"network {network.name}: there is a device {device!r} already",
            hint="bridge= gives the network's bridge another name",
        )
    if not bridges.has_device(device):
        # Marked as ours in the same breath in which it comes to be.
        await ip("link", "add", "name", device, "address", own_mac(network), "type", "bridge")
    commands = [f"addr flush dev {device}"]
    if (host := network.host4) is not None:
        commands.append(f"addr add {host} brd + dev {device}")
    set_switch(f"ipv6/conf/{device}/accept_ra", "0", needed=False)
    if (host6 := network.host6) is not None:
        set_switch(f"ipv6/conf/{device}/accept_dad", "0")
        commands.append(f"addr add {host6} dev {device}")
    else:
        set_switch(f"ipv6/conf/{device}/disable_ipv6", "1", needed=False)
    commands.append(f"link set dev {device} up")
    await ip_all(commands)
    if network.kind in (NetworkKind.NAT, NetworkKind.ROUTED):
        forward(version for version, there in ((4, network.address), (6, network.address6)) if there)


async def unmake(network: Network) -> None:
    """Take its bridge away, if we made it; harmless when it is gone."""
    if network.has_own_bridge and is_active(network):
        await ip_tried([f"link del dev {network.device}"])


def rules(network: Network) -> list[tuple[str, str]]:
    """Its rules in our `inet` table: a chain's name and a rule each."""
    device = network.device
    made: list[tuple[str, str]] = []
    if network.kind is NetworkKind.ISOLATED:
        made += [
            ("forward", f'iifname "{device}" oifname != "{device}" counter drop comment "{network.name}"'),
            ("forward", f'oifname "{device}" iifname != "{device}" counter drop comment "{network.name}"'),
        ]
    if network.kind is NetworkKind.NAT:
        made += [
            ("forward", f'oifname "{device}" iifname != "{device}" ct state established,related accept'),
            ("forward", f'oifname "{device}" iifname != "{device}" counter drop comment "{network.name}"'),
        ]
        out = f'oifname "{network.outside}"' if network.outside else f'oifname != "{device}"'
        for family, host in (("ip", network.host4), ("ip6", network.host6)):
            if host is not None:
                made.append(("postrouting", f"{family} saddr {host.network} {out} masquerade"))
    return made


def _address(device: str) -> str:
    try:
        return (SYS_NET / device / "address").read_text().strip()
    except OSError:
        return ""
