"""What our `inet` table holds: who goes out under dom0's address, and where named networks end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from domus.model.networks import Network
from domus.network import named
from domus.network.nft import TABLE, emptied, removed
from domus.network.routes import Route

FAMILY: Final = "inet"
#: whose tables are made anew together: routed and translated packets, and those of bridges
FAMILIES: Final = (FAMILY, "bridge")

_CHAINS: Final = {
    "forward": "{ type filter hook forward priority filter; policy accept; }",
    "postrouting": "{ type nat hook postrouting priority srcnat; policy accept; }",
}


def rebuilt(routes: Iterable[Route], networks: Iterable[Network], more: Sequence[str] = ()) -> str:
    """The transaction after which our table is as these cards and networks need it; else it is gone.

    Args:
        more: what else is to be in it.
    """
    cards = [route for route in routes if route.translated]
    inside = ", ".join(f'"{route.device}"' for route in cards)
    rules = [
        (
            "postrouting",
            f"{'ip' if network.version == 4 else 'ip6'} saddr {network} oifname != {{ {inside} }} masquerade",
        )
        for route in cards
        for network in route.networks
    ]
    rules += [rule for network in networks for rule in named.rules(network)]
    used = [chain for chain in _CHAINS if any(chain == each for each, _ in rules)]
    lines = [f"add chain {FAMILY} {TABLE} {chain} {_CHAINS[chain]}" for chain in used]
    lines += [f"add rule {FAMILY} {TABLE} {chain} {rule}" for chain, rule in rules]
    return table(FAMILY, [*lines, *more])


def table(family: str, lines: Sequence[str]) -> str:
    """The transaction after which our table of a family has this and nothing else; nothing: it is gone."""
    return emptied(family) + "\n".join(lines) + "\n" if lines else removed(family)
