"""Rules of a firewall: what may reach a guest, and what it may reach.

    allow in tcp 22,8000-8100 from 10.0.0.0/8,fd00::/8
    allow in icmp
    deny in

The first rule that a new connection meets decides; what meets none passes, and so do the answers of a
connection that was let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, NamedTuple

import msgspec

from domus.model.errors import BadInput

Addresses = tuple[IPv4Network | IPv6Network, ...]

#: of one domain or network: each costs every packet that meets it
MOST_RULES: Final = 256
_MOST_IN_ONE: Final = 64  #: addresses, or ports

_PROTOCOLS: Final = ("tcp", "udp", "icmp")
_FORM: Final = "allow|deny in|out [tcp|udp [PORTS] | icmp] [from ADDRESSES] [to ADDRESSES]"


class Rule(NamedTuple):
    """One rule."""

    allows: bool
    inwards: bool  #: about what reaches the guest; False: what the guest sends
    protocol: str = ""  #: "tcp", "udp", "icmp" (which is IPv6's, too); "": every one
    ports: tuple[tuple[int, int], ...] = ()  #: of the destination, first and last; (): all
    sources: Addresses = ()  #: (): all
    destinations: Addresses = ()

    def __str__(self) -> str:
        words = ["allow" if self.allows else "deny", "in" if self.inwards else "out"]
        words += [self.protocol] if self.protocol else []
        if self.ports:
            words.append(",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.ports))
        for word, addresses in (("from", self.sources), ("to", self.destinations)):
            words += [word, ",".join(map(_shown, addresses))] if addresses else []
        return " ".join(words)


class Firewall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PUT: the rules of a domain or network."""

    rules: tuple[str, ...] = ()
    instead_of: tuple[str, ...] | None = None  #: those that the caller has seen; None: whichever there are


class RuleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is."""

    rule: str
    #: packets that it dropped since all were last made anew; None: it lets through, or is not in use
    dropped: int | None = None


class FirewallInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one domain or network."""

    target: str  #: a domain's name, or network/NAME
    active: bool  #: cards are filtered by them now
    rules: tuple[RuleInfo, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The rules alone."""
        return tuple(each.rule for each in self.rules)


def parse_all(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Rules in their order.

    Raises:
        BadInput: one is none, or they are too many.
    """
    rules = tuple(map(parse, texts))
    if len(rules) > MOST_RULES:
        raise BadInput(f"a firewall has {MOST_RULES} rules at most, not {len(rules)}")
    return rules


def split(text: str) -> tuple[str, ...]:
    """Rules that stand in one text, with `;` or line ends between them."""
    return tuple(piece.strip() for piece in re.split(r"[;\n]", text) if piece.strip())


def parse(text: str) -> Rule:
    """A rule.

    Raises:
        BadInput: it is none.
    """
    words = iter(text.split())
    verdict, direction = next(words, ""), next(words, "")
    if verdict not in ("allow", "deny") or direction not in ("in", "out"):
        raise _wrong(text, "it begins with allow or deny, and in or out")
    protocol, ports = "", ()  # type: tuple[str, tuple[tuple[int, int], ...]]
    places: dict[str, Addresses] = {}
    for word in words:
        if word in ("from", "to"):
            if word in places:
                raise _wrong(text, f"{word!r} stands there twice")
            places[word] = _addresses(text, next(words, ""))
        elif places or ports:
            raise _wrong(text, f"{word[:30]!r} is too much")
        elif word in _PROTOCOLS and not protocol:
            protocol = word
        elif protocol in ("tcp", "udp"):
            ports = _ports(text, word)
        else:
            raise _wrong(text, f"{word[:30]!r} is not understood")
    rule = Rule(
        verdict == "allow", direction == "in", protocol, ports, places.get("from", ()), places.get("to", ())
    )
    if not any(rule_speaks(rule, version) for version in (4, 6)):
        raise _wrong(text, "no packet is both of IPv4 and of IPv6")
    return rule


def rule_speaks(rule: Rule, version: int) -> bool:
    """There are packets of this version of IP that meet the rule."""
    return all(
        not addresses or any(each.version == version for each in addresses)
        for addresses in (rule.sources, rule.destinations)
    )


def _addresses(text: str, word: str) -> Addresses:
    found: list[IPv4Network | IPv6Network] = []
    for piece in word.split(","):
        try:
            found.append(ip_network(piece))
        except ValueError as error:
            raise _wrong(text, f"{piece[:50]!r} is no address or network: {error}") from None
    if len(found) > _MOST_IN_ONE:
        raise _wrong(text, f"more than {_MOST_IN_ONE} addresses; write two rules")
    return tuple(_apart(found))


def _apart(found: list[IPv4Network | IPv6Network]) -> Iterator[IPv4Network | IPv6Network]:
    """Without what others of them contain: a set of the packet filter has no overlaps."""
    for place, each in enumerate(found):
        others = (*found[:place], *found[place + 1 :])
        same = (other for other in others if other.version == each.version)
        wider = any(each != other and each.subnet_of(other) for other in same)  # type: ignore[arg-type]
        if not wider and each not in found[:place]:
            yield each


def _ports(text: str, word: str) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for piece in word.split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", piece)
        if match is None:
            raise _wrong(text, f"{piece[:30]!r} is no port: a number, or two with - between them")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 < first <= last <= 65535:
            raise _wrong(text, f"ports are from 1 to 65535, not {piece}")
        found.append((first, last))
    if len(found) > _MOST_IN_ONE:
        raise _wrong(text, f"more than {_MOST_IN_ONE} ports; write two rules")
    merged: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _shown(network: IPv4Network | IPv6Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _wrong(text: str, why: str) -> BadInput:
    return BadInput(f"rule {text[:80]!r}: {why}", hint=_FORM)
