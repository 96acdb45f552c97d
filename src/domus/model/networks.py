"""Named networks of a host, which guests' cards can be plugged into by name."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Final

import msgspec

from domus.model.errors import BadInput
from domus.model.firewall import parse_all

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_DEVICE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,14}")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62})){0,7}")


class NetworkKind(StrEnum):
    """What a network's guests reach."""

    BRIDGE = "bridge"  #: what a bridge of the host leads to, which somebody else made
    NAT = "nat"  #: each other, and the outside under the host's address
    ROUTED = "routed"  #: each other, and the outside under their own addresses
    ISOLATED = "isolated"  #: each other and the host


class Network(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A network as it was defined."""

    name: str
    kind: NetworkKind = NetworkKind.NAT
    bridge: str = ""  #: its bridge's name; "": made from the network's
    address: str = ""  #: the host's own in it, with the length, such as "192.168.130.1/24"; "": chosen
    address6: str = ""  #: likewise in IPv6, a /64; "": no IPv6
    dhcp: bool = True  #: guests are given addresses, and names are resolved
    domain: str = ""  #: of the guests' names in DNS; "": the network's name
    outside: str = ""  #: the device towards the outside; "": whichever the route takes
    isolated: bool = False  #: its guests do not reach each other
    autostart: bool = True  #: it is started with xend
    firewall: tuple[str, ...] = ()  #: rules for all cards in it

    @property
    def has_own_bridge(self) -> bool:
        """Xend makes its bridge, and takes it away."""
        return self.kind is not NetworkKind.BRIDGE

    @property
    def device(self) -> str:
        """The name of its bridge."""
        return self.bridge or f"xn-{self.name}"[:15]

    @property
    def host4(self) -> IPv4Interface | None:
        """The host's IPv4 address in it."""
        return IPv4Interface(self.address) if self.address else None

    @property
    def host6(self) -> IPv6Interface | None:
        """The host's IPv6 address in it."""
        return IPv6Interface(self.address6) if self.address6 else None

    @property
    def serves_dhcp(self) -> bool:
        """A server of ours gives its guests addresses."""
        return self.has_own_bridge and self.dhcp

    @property
    def dns_domain(self) -> str:
        """What its guests' names end with."""
        return self.domain or self.name.lower().replace("_", "-")


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """An address that a guest has asked for and been given."""

    mac: str
    address: str
    name: str = ""  #: the guest's own, "" if it did not say
    expires: int = 0  #: seconds since the epoch; 0: never


class NetworkCard(msgspec.Struct, frozen=True, kw_only=True):
    """A card of a running domain in a network."""

    domain: str
    devid: int
    mac: str
    addresses: tuple[str, ...] = ()  #: that it may use; empty: any


class NetworkInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A network as it is."""

    network: Network
    active: bool
    serving: bool = False  #: its DHCP and DNS server runs
    cards: tuple[NetworkCard, ...] = ()
    leases: tuple[Lease, ...] = ()


class CheckedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One place on the way of a guest's packets."""

    about: str  #: the domain, or "network NAME", or "host"
    devid: int | None = None  #: number of the card; None: it is about no single one
    step: str  #: such as "guest", "guard", "bridge", "lease"
    passes: bool  #: False: packets stop here, or can
    text: str
    hint: str = ""  #: what to do about it


class NetworkAutostart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PUT /v1/networks/NAME/autostart."""

    autostart: bool


def checked(network: Network) -> Network:
    """`network`, if there can be such a one.

    Raises:
        BadInput: what is wrong with it.
    """
    if not _NAME.fullmatch(network.name):
        raise BadInput(f"invalid network name {network.name[:40]!r}", hint="letters, digits, - and _")
    for what, name in (("bridge", network.bridge), ("outside", network.outside)):
        if name and not _DEVICE.fullmatch(name):
            raise BadInput(f"{what}: invalid network device name {name[:40]!r}")
    if network.domain and not _DOMAIN.fullmatch(network.domain):
        raise BadInput(f"domain: {network.domain[:60]!r} is no DNS name")
    parse_all(network.firewall)
    if not network.has_own_bridge:
        if not network.bridge:
            raise BadInput("a network of the kind bridge names its bridge", hint="bridge=xenbr0")
        if network.address or network.address6:
            raise BadInput("a network of the kind bridge has no address of ours", hint="kind=nat or routed")
        return network
    _check_address("address", network.address, 4, (8, 29))
    _check_address("address6", network.address6, 6, (64, 64))
    return network


def _check_address(what: str, text: str, version: int, lengths: tuple[int, int]) -> None:
    if not text:
        return
    try:
        found = ip_interface(text)
    except ValueError:
        raise BadInput(f"{what}: {text[:60]!r} is no address", hint="such as 192.168.130.1/24") from None
    least, most = lengths
    if found.version != version or not least <= found.network.prefixlen <= most:
        raise BadInput(f"{what}: {text} is not an IPv{version} address with a length from {least} to {most}")
    if found.ip in (found.network.network_address, getattr(found.network, "broadcast_address", None)):
        raise BadInput(
            f"{what}: {text} is the network, not the host's address in it",
            hint=f"such as {found.network.network_address + 1}/{found.network.prefixlen}",
        )
