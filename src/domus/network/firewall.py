"""Rules of domains and named networks as chains of the packet filter.

A card in a Linux bridge is filtered where the bridge passes frames on (family `bridge`), one that is routed
where dom0 does (`inet`): the same chains in both. A packet between two guests meets what its sender may send
and what its receiver may get. Rules go by the name of a card's device, which only dom0 gives: they are there
before it.

What passes whatever the rules say, since without it there is no network at all: answers, ARP, neighbour
discovery (whose contents guards judge), and the DHCP of a named network that serves it.

Source: nft(8); Linux net/bridge/netfilter/nf_conntrack_bridge.c (state of bridged connections, since 5.3);
RFC 4890 4.4 (what of ICMPv6 must not be dropped).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from domus.model import firewall
from domus.model.firewall import Rule
from domus.model.networks import Network
from domus.network.nft import TABLE

#: neighbour discovery but redirects, and who listens to which group; on a line of their own, never routed
_ALWAYS: Final = (
    "ct state established,related accept",
    "ether type arp accept",
    "ip6 hoplimit 255 icmpv6 type { 133, 134, 135, 136 } accept",
    "ip6 hoplimit 1 icmpv6 type { 130, 131, 132, 143 } accept",
)

#: where packets of a card pass: which chain of a hook asks for which direction
_HOOKS: Final = {"forward": ("out", "in"), "input": ("out",), "output": ("in",)}


@dataclass(frozen=True)
class Filtered:
    """The devices of a card, and what stands before them."""

    devices: tuple[str, ...]
    domid: int
    rules: tuple[Rule, ...]  #: its domain's
    network: Network | None  #: the named one that it is in


def lines(family: str, cards: Iterable[Filtered]) -> list[str]:
    """What of these cards belongs into our table of a family, which is there; []: nothing is filtered."""
    sets: dict[str, tuple[tuple[Rule, ...], list[str]]] = {}
    served: dict[str, list[str]] = {}
    for card in cards:
        for chain, rules in _sets(card):
            sets.setdefault(chain, (rules, []))[1].extend(card.devices)
        if card.network is not None and card.network.firewall and card.network.serves_dhcp:
            served.setdefault(str(card.network.host4.ip if card.network.host4 else ""), []).extend(
                card.devices
            )
    if not sets:
        return []
    always = _ALWAYS if family == "bridge" else [rule for rule in _ALWAYS if "arp" not in rule]
    made = [f"add chain {family} {TABLE} passes", *(_rule(family, "passes", rule) for rule in always)]
    for chain, (rules, _) in sets.items():
        for direction in ("in", "out"):
            made.append(f"add chain {family} {TABLE} {chain}-{direction}")
            made += [_rule(family, f"{chain}-{direction}", line) for line in compiled(rules, direction)]
    for hook, directions in _HOOKS.items():
        base = f"cards-{hook}"
        made.append(f"add chain {family} {TABLE} {base} {{ type filter hook {hook} priority filter; }}")
        made.append(_rule(family, base, "jump passes"))
        made += [_rule(family, base, line) for line in _dhcp(hook, served)]
        for chain_kind in ("domain", "network"):
            for direction in directions:
                ways = [
                    f'"{device}" : jump {chain}-{direction}'
                    for chain, (_, devices) in sets.items()
                    if chain.startswith(f"{chain_kind}-")
                    for device in devices
                ]
                name = "oifname" if direction == "in" else "iifname"
                made += [_rule(family, base, f"{name} vmap {{ {', '.join(ways)} }}")] if ways else []
    return made


def compiled(rules: Iterable[Rule], direction: str) -> Iterator[str]:
    """The rules of a chain: let through is on to what else stands before a card."""
    for number, rule in enumerate(rules, start=1):
        if rule.inwards != (direction == "in"):
            continue
        verdict = "return" if rule.allows else f'counter drop comment "{number}"'
        for version in (4, 6):
            if not firewall.rule_speaks(rule, version):
                continue
            everywhere = not rule.sources and not rule.destinations
            yield " ".join((*_conditions(rule, version), verdict))
            if everywhere:
                break  # said of both versions, and of what is no IP at all


def dropped(listing: Iterable[Mapping[str, object]], chain: str) -> dict[int, int]:
    """How many packets each rule of a domain or network has dropped, by its number from 1 on."""
    counts: dict[int, int] = {}
    for item in listing:
        rule = item.get("rule")
        if not isinstance(rule, dict) or rule.get("chain") not in (f"{chain}-in", f"{chain}-out"):
            continue
        for expression in rule["expr"]:
            if "counter" in expression and str(rule.get("comment", "")).isdecimal():
                number = int(rule["comment"])
                counts[number] = counts.get(number, 0) + expression["counter"]["packets"]
    return counts


def domain_chain(domid: int) -> str:
    """What the chains of a domain's rules begin with."""
    return f"domain-{domid}"


def network_chain(name: str) -> str:
    """What the chains of a network's rules begin with."""
    return f"network-{name}"


def _sets(card: Filtered) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    if card.rules:
        yield domain_chain(card.domid), card.rules
    if card.network is not None and card.network.firewall:
        yield network_chain(card.network.name), firewall.parse_all(card.network.firewall)


def _dhcp(hook: str, served: Mapping[str, list[str]]) -> Iterator[str]:
    for host, devices in served.items():
        names = ", ".join(f'"{device}"' for device in devices)
        if hook == "input":
            to = f"ip daddr {{ 255.255.255.255, {host} }}"
            yield f"iifname {{ {names} }} {to} udp sport 68 udp dport 67 accept"
        elif hook == "output":
            yield f"oifname {{ {names} }} ip saddr {host} udp sport 67 udp dport 68 accept"


def _conditions(rule: Rule, version: int) -> Iterator[str]:
    ip = "ip" if version == 4 else "ip6"
    for word, addresses in (("saddr", rule.sources), ("daddr", rule.destinations)):
        mine = [str(each) for each in addresses if each.version == version]
        if mine:
            yield f"{ip} {word} {{ {', '.join(mine)} }}"
    if rule.protocol == "icmp":
        yield "meta l4proto { icmp, ipv6-icmp }"
    elif rule.ports:
        ports = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in rule.ports)
        yield f"{rule.protocol} dport {{ {ports} }}"
    elif rule.protocol:
        yield f"meta l4proto {rule.protocol}"


def _rule(family: str, chain: str, rule: str) -> str:
    return f"add rule {family} {TABLE} {chain} {rule}"
