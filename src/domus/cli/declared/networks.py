"""The host's named networks, and the firewalls of networks and domains."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_NETWORKS: Final = "network/test_networks_on_xen.py"
_FIREWALL: Final = "network/test_firewall_on_xen.py"


def _network(
    verb: str, usage: str, sentence: str, *options: Option, counts: tuple[int, int] | None = None
) -> Command:
    runs = f"networks:{verb.replace('list', 'list_all')}"
    return _verb(f"network {verb}", runs, usage, sentence, options, counts, _NETWORKS)


def _firewall(
    verb: str, usage: str, sentence: str, *options: Option, counts: tuple[int, int] | None = None
) -> Command:
    runs = f"firewall:{verb.replace('list', 'list_all')}"
    return _verb(f"firewall {verb}", runs, usage, sentence, options, counts, _FIREWALL)


def _verb(
    name: str,
    runs: str,
    usage: str,
    sentence: str,
    options: tuple[Option, ...],
    counts: tuple[int, int] | None,
    tested: str,
) -> Command:
    return Command(
        name=name,
        usage=usage,
        sentence=sentence,
        runs=runs,
        options=options,
        counts=counts,
        works="-",
        tested=tested,
    )


NETWORK_VERBS: Final = (
    _network(
        "define",
        "NAME [KEY=VALUE ...] [--start]",
        "Define a network: kind=nat|routed|isolated|bridge bridge= address= address6= dhcp=yes|no domain= "
        "outside= isolated=yes|no autostart=yes|no firewall='RULE; RULE'.",
        Option("", "start", "Start it, too.", ours=True),
        JSON,
        counts=(1, 11),
    ),
    _network("list", "", "List the networks.", JSON, counts=(0, 0)),
    _network(
        "show", "NAME", "Show a network: what is plugged in, and which leases are out.", JSON, counts=(1, 1)
    ),
    _network("start", "NAME", "Start a network.", counts=(1, 1)),
    _network("stop", "NAME", "Stop a network that no card is in.", counts=(1, 1)),
    _network("undefine", "NAME", "Forget a network that is stopped.", counts=(1, 1)),
    _network(
        "edit",
        "NAME [KEY=VALUE ...]",
        "Change a network that is stopped: what is given, or in your editor.",
        counts=(1, 11),
    ),
    _network("autostart", "NAME on|off", "Start a network with xend from now on, or do not.", counts=(2, 2)),
    _network(
        "check",
        "[DOM] [--all] [--json]",
        "Say where packets of a domain, or of all, stop; the exit status is 1 if they do somewhere.",
        Option("", "all", "Say where they pass, too.", ours=True),
        JSON,
        counts=(0, 1),
    ),
)
FIREWALL_VERBS: Final = (
    _firewall("list", "", "List the domains and networks that have rules.", JSON, counts=(0, 0)),
    _firewall(
        "show",
        "TARGET",
        "Show the rules of one, by number, and how many packets each has dropped.",
        JSON,
        counts=(1, 1),
    ),
    _firewall(
        "add",
        "TARGET RULE [--at N]",
        "Add a rule: allow|deny in|out [tcp|udp [PORTS] | icmp] [from ADDRESSES] [to ADDRESSES].",
        Option("", "at", "Put it in the N-th place instead of the last one.", value="N"),
        JSON,
        counts=(2, 15),
    ),
    _firewall(
        "delete",
        "TARGET N|RULE|--all",
        "Delete a rule, by its number or as it is shown, or all of them.",
        Option("", "all", "Delete all of them: everything passes."),
        JSON,
        counts=(2, 12),
    ),
)
COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="network",
        usage="define|list|show|start|stop|undefine|edit|autostart|check ...",
        sentence="Named networks of the host, for network=NAME in vif; 'xm network' tells how.",
        runs="networks:run",
        origin="domus",
        works="-",
        tested=_NETWORKS,
        raw=True,
        verbs=NETWORK_VERBS,
    ),
    Command(
        name="firewall",
        usage="list|show|add|delete ...",
        sentence="Rules of what may reach a guest and what it may reach; TARGET is a domain or network/NAME.",
        runs="firewall:run",
        origin="domus",
        works="pv",
        tested=_FIREWALL,
        raw=True,
        verbs=FIREWALL_VERBS,
    ),
)
