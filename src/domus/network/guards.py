"""What a guest may send: nobody else's MAC or IP address, no ARP or neighbour discovery in another's name.

A guard is the chain of one card in our table of the family `netdev`. It hangs on the card's own device:
packets meet it before bridges, Open vSwitch and routing, and it is there before the card is plugged in
anywhere. What no rule accepts is dropped, and counted under the name of what was forged.

Source: nft(8); RFC 826 (ARP), RFC 4861 (neighbour discovery; offsets of targets and options), RFC 4291
appendix A (link-local addresses from MACs), RFC 6980 (no fragments in neighbour discovery).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_interface,
)
from typing import Final

from domus.model.errors import BadInput
from domus.network.nft import TABLE, emptied

FAMILY: Final = "netdev"

#: before everything else that may hang on the device
_PRIORITY: Final = -300

#: neighbour discovery: bytes of a bare message; the option with the sender's MAC: type, offset in bits
_SOLICIT, _ADVERTISE, _ASK_ROUTER = (24, 1, 192), (24, 2, 192), (8, 1, 64)
_OPTION_BYTES: Final = 8

#: what the counters count, in the order of the rules; for people
FORGED: Final = {
    "mac": "a MAC address that is not the card's",
    "arp": "ARP in the name of another address",
    "ipv4": "an IPv4 address that is not the card's",
    "ndp": "IPv6 neighbour discovery in the name of another address, or as a router",
    "ipv6": "an IPv6 address that is not the card's",
    "dhcp-server": "answers of a DHCP server",
    "other": "other protocols than IPv4, IPv6 and ARP",
}


@dataclass(frozen=True)
class Guard:
    """What one card may say of itself."""

    mac: str  #: six pairs, lower case, colons
    #: the networks that it may send from, /32 for a single address; None in both: not known, anything goes
    ipv4: tuple[IPv4Network, ...] | None = None
    #: likewise; the link-local address of its MAC is always among them
    ipv6: tuple[IPv6Network, ...] | None = None
    serves_dhcp: bool = True  #: it may be a DHCP server
    tagged: bool = False  #: it may send frames with VLAN tags, whose insides are not looked at

    @property
    def knows(self) -> bool:
        """Its addresses are known: it has no others."""
        return self.ipv4 is not None or self.ipv6 is not None


@dataclass(frozen=True)
class Guarded:
    """A guard and the device that it hangs on."""

    chain: str  #: unique among them: the vif's name by the kernel
    device: str
    guard: Guard


def known(ips: Iterable[str]) -> tuple[tuple[IPv4Network, ...] | None, tuple[IPv6Network, ...] | None]:
    """What the addresses of a card's `ip=` let it send from, by family; None: nothing is known.

    `192.0.2.5/24` is the address alone, `192.0.2.0/28` the whole network, `::/0` any. Where addresses of one
    family alone are given, the guest has none of the other: what is not known it could forge unseen.

    Raises:
        BadInput: one is no address.
    """
    ipv4: list[IPv4Network] = []
    ipv6: list[IPv6Network] = []
    for text in ips:
        network = network_of(text)
        if isinstance(network, IPv4Network):
            ipv4.append(network)
        else:
            ipv6.append(network)
    return (tuple(ipv4), tuple(ipv6)) if ipv4 or ipv6 else (None, None)


def network_of(text: str) -> IPv4Network | IPv6Network:
    """A single address as a network of its own; a network, whose host part is zero, as it is.

    Raises:
        BadInput: it is no address.
    """
    try:
        given = ip_interface(text)
    except ValueError:
        raise BadInput(f"{text[:50]!r} is no IP address", hint="such as 192.0.2.5 or 2001:db8::5") from None
    if given.ip == given.network.network_address and given.network.prefixlen < given.max_prefixlen:
        return given.network
    return type(given.network)(given.ip)


def link_local(mac: str, prefix: str = "fe80::") -> IPv6Address:
    """The address that a card gives itself from its MAC, below `prefix`, a /64."""
    octets = bytes.fromhex(mac.replace(":", ""))
    end = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return IPv6Address(IPv6Address(prefix).packed[:8] + end)


def installed(guarded: Iterable[Guarded]) -> str:
    """The transaction that hangs guards on their devices, in place of those of the same chains."""
    lines = [f"add table {FAMILY} {TABLE}"]
    for each in guarded:
        place = f"{FAMILY} {TABLE} {each.chain}"
        # One of that name may be there, on this device or on one that is gone.
        lines += [*_without(each.chain), f"add chain {place} {{ {_hook(each.device)} }}"]
        lines.extend(f"add rule {place} {rule}" for rule in rules(each.guard))
    return "\n".join(lines) + "\n"


def removed(chains: Iterable[str]) -> str:
    """The transaction that takes chains away, whether they are there or not.

    Since Linux 6.12 at the latest the kernel keeps a chain whose device is gone.
    """
    lines = [f"add table {FAMILY} {TABLE}", *(line for chain in chains for line in _without(chain))]
    return "\n".join(lines) + "\n"


def rebuilt(guarded: Iterable[Guarded]) -> str:
    """The transaction after which our table has these guards, and no others."""
    return emptied(FAMILY) + installed(guarded)


def dropped(listing: Iterable[Mapping[str, object]], chain: str) -> dict[str, int]:
    """How many packets a guard has dropped, by what was forged, from the table as `nft.listed` has it."""
    counts: dict[str, int] = {}
    for item in listing:
        rule = item.get("rule")
        if not isinstance(rule, dict) or rule.get("chain") != chain or "comment" not in rule:
            continue
        for expression in rule["expr"]:
            if "counter" in expression:
                counts[rule["comment"]] = counts.get(rule["comment"], 0) + expression["counter"]["packets"]
    return counts


def _without(chain: str) -> list[str]:
    return [f"{verb} chain {FAMILY} {TABLE} {chain}" for verb in ("add", "flush", "delete")]


def _hook(device: str) -> str:
    return f'type filter hook ingress device "{device}" priority {_PRIORITY}; policy drop;'


def rules(guard: Guard) -> list[str]:
    """The rules of a guard, in their order."""
    made = [f"ether saddr != {guard.mac} {_drop('mac')}"]
    if guard.tagged:
        made.append("ether type vlan accept")
    made += [*_arp(guard), *_ipv4(guard), *_ipv6(guard)]
    return [*made, _drop("other") if guard.knows else "accept"]


def _drop(what: str) -> str:
    return f'counter drop comment "{what}"'


def _arp(guard: Guard) -> list[str]:
    # A message of another shape is not ours to judge, and is dropped with the rest.
    own = f"ether type arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether {guard.mac}"
    if not guard.knows:
        return [f"{own} accept", f"ether type arp {_drop('arp')}"]
    return [
        *(f"{own} arp saddr ip {network} accept" for network in guard.ipv4 or ()),
        # "does somebody have it?", before an address is used (RFC 5227)
        f"{own} arp operation request arp saddr ip 0.0.0.0 accept",
        f"ether type arp {_drop('arp')}",
    ]


def _ipv4(guard: Guard) -> list[str]:
    server = [] if guard.serves_dhcp else [f"ether type ip udp sport 67 {_drop('dhcp-server')}"]
    if not guard.knows:
        return [*server, "ether type ip accept"] if server else []
    return [
        *server,
        *(f"ether type ip ip saddr {network} accept" for network in guard.ipv4 or ()),
        "ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
        f"ether type ip {_drop('ipv4')}",
    ]


def _ipv6(guard: Guard) -> list[str]:
    if not guard.knows:
        # Whatever its addresses are, its MAC is known.
        return [
            *_discovery("nd-neighbor-solicit", _SOLICIT, guard.mac),
            *_discovery("nd-neighbor-advert", _ADVERTISE, guard.mac),
            *_discovery("nd-router-solicit", _ASK_ROUTER, guard.mac),
            "ether type ip6 icmpv6 type nd-neighbor-solicit ip6 saddr :: accept",
            f"ether type ip6 icmpv6 type {{ 133, 135, 136 }} {_drop('ndp')}",
            *([] if guard.serves_dhcp else ["ether type ip6 accept"]),
        ]
    own = (IPv6Network(link_local(guard.mac)), *(guard.ipv6 or ()))
    sources = [f"ip6 saddr {network}" for network in own]
    return [
        *(
            line
            for source in sources
            for line in (
                *_discovery("nd-neighbor-solicit", _SOLICIT, guard.mac, source),
                *_discovery("nd-router-solicit", _ASK_ROUTER, guard.mac, source),
            )
        ),
        *(
            line
            for source in sources
            for target in own
            for line in _discovery("nd-neighbor-advert", _ADVERTISE, guard.mac, f"{source} {_target(target)}")
        ),
        # Before an address is used nobody speaks for it yet: is somebody there, which routers, which groups.
        *(
            f"ether type ip6 ip6 saddr :: icmpv6 type nd-neighbor-solicit {_target(target)} accept"
            for target in own
        ),
        "ether type ip6 ip6 saddr :: icmpv6 type nd-router-solicit ip6 length 8 accept",
        "ether type ip6 ip6 saddr :: icmpv6 type { mld-listener-report, mld2-listener-report } accept",
        f"ether type ip6 icmpv6 type 133-137 {_drop('ndp')}",
        *(f"ether type ip6 {source} accept" for source in sources),
        f"ether type ip6 {_drop('ipv6')}",
    ]


def _discovery(kind: str, layout: tuple[int, int, int], mac: str, more: str = "") -> list[str]:
    """Accept messages that have no option, or the sender's own MAC and nothing else."""
    bare, option, offset = layout
    begin = " ".join(f"ether type ip6 ip6 nexthdr ipv6-icmp {more} icmpv6 type {kind} ip6 length".split())
    own = f"@th,{offset},8 {option} @th,{offset + 16},48 0x{mac.replace(':', '')}"
    return [
        f"{begin} {bare} accept",
        f"{begin} {bare + _OPTION_BYTES} {own} accept",
    ]


def _target(network: IPv6Network) -> str:
    """The address that a message of neighbour discovery is about is in `network`."""
    value, length = int(network.network_address), network.prefixlen
    return f"@th,64,{length} {value >> (128 - length):#x}" if length else ""
