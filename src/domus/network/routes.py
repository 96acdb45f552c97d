"""Cards that are routed or translated instead of bridged: dom0 is their guest's gateway.

A routed guest is a host of the outside network, whose packets dom0 passes on: dom0 answers ARP and neighbour
discovery for it there, as Xen's script vif-route had it, but for its addresses alone. A translated one, as of
vif-nat, has an address of its own little network and goes out with dom0's.

What hangs on the card's own device goes with the device. What does not is marked as ours (`PROTOCOL`), so
that whoever comes after a killed xend finds it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

from domus.model.errors import BadInput, Conflict, HostProblem, NotFound
from domus.network.iproute import SYS_NET, ip_all, ip_shown, ip_tried, set_switch, switch

#: marks entries that answer for guests' addresses as ours; no routing daemon uses the number
PROTOCOL: Final = "88"

#: as vif-route has it: a card has more right to an address than the network where it would be otherwise
_METRIC: Final = 2

#: vif-nat: the gateway's address is the guest's with this much added to its last byte
_GATEWAY_FROM_GUEST: Final = 127


@dataclass(frozen=True)
class Route:
    """A card that is not bridged."""

    device: str  #: its name in dom0
    networks: tuple[IPv4Network | IPv6Network, ...]  #: where its guest is
    gateway_device: str | None  #: towards the outside; None: where the default route goes
    translated: bool

    @property
    def alone(self) -> list[IPv4Network | IPv6Network]:
        """Those that are single addresses: dom0 answers for them outside."""
        return [network for network in self.networks if network.prefixlen == network.max_prefixlen]


def translated_address(domid: int, devid: int) -> IPv4Address:
    """The address of a translated card that has none of its own (Xen's vif-nat, ip_from_dom)."""
    high, low = divmod(domid, 256)
    if not (high < 256 and devid < 255):
        raise BadInput("this card is too many to get an address by itself", hint="ip= gives it one")
    return IPv4Address(f"10.{high}.{low}.{devid + 1}")


def gateway_of(guest: IPv4Address) -> IPv4Address:
    """The address under which a translated guest finds dom0 (vif-nat, routing_ip; from 129 on downwards)."""
    last = guest.packed[3]
    step = _GATEWAY_FROM_GUEST if last + _GATEWAY_FROM_GUEST < 255 else -_GATEWAY_FROM_GUEST
    return guest + step


async def outside(gateway_device: str | None) -> str:
    """The device towards the outside.

    Raises:
        NotFound: it is not there; or none is named, and there is no default route.
    """
    if gateway_device is not None:
        if not (SYS_NET / gateway_device).is_dir():
            raise NotFound(f"gatewaydev: this host has no device {gateway_device!r}")
        return gateway_device
    for route in await ip_shown("route", "show", "default"):
        return str(route["dev"])
    if (SYS_NET / "eth0").is_dir():  # vif-route's default
        return "eth0"
    raise NotFound("this host has no default route", hint="gatewaydev= names the device towards the outside")


async def plug(route: Route, *, mtu: int | None) -> None:
    """Set a card's device up and let the outside and the guest find each other. May be repeated.

    Raises:
        HostProblem, NotFound: dom0 cannot be a gateway.
        Conflict: another card has the address.
        ProgramFailed: `ip` failed.
    """
    gateway = await outside(route.gateway_device)
    device = route.device
    own = {4: await _own(route, gateway), 6: ""}
    for network in route.networks:
        await _check_free(network, device)
    size = "" if mtu is None else f" mtu {mtu}"
    commands = [f"addr flush dev {device}", f"link set dev {device}{size} arp on up"]
    if own[4]:
        commands.append(f"addr add {own[4]}/32 dev {device}")
        set_switch(f"ipv4/conf/{device}/proxy_arp", "1")
    if any(network.version == 6 for network in route.networks):
        # Its own link-local address is the guest's gateway, and nobody else is on this line.
        set_switch(f"ipv6/conf/{device}/accept_dad", "0")
        set_switch(f"ipv6/conf/{device}/accept_ra", "0")
        set_switch(f"ipv6/conf/{gateway}/proxy_ndp", "1")
    else:
        set_switch(f"ipv6/conf/{device}/disable_ipv6", "1", needed=False)
    commands += [_route_to(network, device, own[network.version]) for network in route.networks]
    if not route.translated:
        commands += [_answer("replace", network, gateway) for network in route.alone]
    forward(network.version for network in route.networks)
    await ip_all(commands)


async def unplug(route: Route) -> None:
    """Take away what does not go with the device; harmless when it is gone."""
    if not route.translated:
        await forget_answers({str(network.network_address) for network in route.alone})


async def forget_answers(addresses: Collection[str] | None = None, *, but: Collection[str] = ()) -> None:
    """Answer no longer for these addresses of guests, or for none of all that are ours `but` some."""
    commands = []
    for family in ("-4", "-6"):
        for entry in await ip_shown(family, "neigh", "show", "proxy"):
            address = str(entry.get("dst"))
            if str(entry.get("protocol")) != PROTOCOL or address in but:
                continue
            if addresses is None or address in addresses:
                commands.append(f"neigh del proxy {address} dev {entry['dev']}")
    if commands:
        await ip_tried(commands)


def forward(versions: Iterable[int]) -> None:
    """Let dom0 pass packets on between its devices, as every gateway does.

    Raises:
        HostProblem: it cannot be set.
    """
    wanted = set(versions)
    if 4 in wanted and switch("ipv4/ip_forward") == "0":
        set_switch("ipv4/ip_forward", "1")
    if 6 in wanted and switch("ipv6/conf/all/forwarding") == "0":
        # A host that forwards ignores routers' advertisements unless told otherwise: it would lose its own
        # default route (Linux Documentation/networking/ip-sysctl.rst, accept_ra).
        for entry in SYS_NET.iterdir():
            if switch(f"ipv6/conf/{entry.name}/accept_ra") == "1":
                set_switch(f"ipv6/conf/{entry.name}/accept_ra", "2")
        set_switch("ipv6/conf/all/forwarding", "1")


async def _own(route: Route, gateway: str) -> str:
    """The IPv4 address of dom0 that the guest sees; "" if it has no IPv4."""
    mine = [network for network in route.networks if isinstance(network, IPv4Network)]
    if not mine:
        return ""
    if route.translated:
        return str(gateway_of(mine[0].network_address))
    for found in await ip_shown("-4", "addr", "show", "dev", gateway):
        for address in found.get("addr_info", ()):
            return str(address["local"])
    raise HostProblem(
        f"{gateway} has no IPv4 address: dom0 cannot be the gateway of a routed card",
        hint="give it one, or name another device with gatewaydev=",
    )


async def _check_free(network: IPv4Network | IPv6Network, device: str) -> None:
    for found in await ip_shown(f"-{network.version}", "route", "show", "exact", str(network)):
        if found.get("dev") != device and str(found.get("metric", "")) == str(_METRIC):
            raise Conflict(f"{network} is routed to {found.get('dev')} already")


def _route_to(network: IPv4Network | IPv6Network, device: str, source: str) -> str:
    seen = f" src {source}" if source else ""
    return f"route replace {network} dev {device}{seen} metric {_METRIC}"


def _answer(verb: str, network: IPv4Network | IPv6Network, gateway: str) -> str:
    return f"neigh {verb} proxy {network.network_address} dev {gateway} protocol {PROTOCOL}"
