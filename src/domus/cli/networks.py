"""`xm network`: the host's named networks, which cards are plugged into by `network=NAME`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON
from domus.cli.options import UsageError, parse
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from domus.cli.options import Call
    from domus.model.networks import Network, NetworkInfo

Values = dict[str, list[str]]

_KEYS: Final = ("kind", "bridge", "address", "address6", "dhcp", "domain", "outside", "isolated", "autostart")
_FLAGS: Final = ("dhcp", "isolated", "autostart")
_SAID: Final = {"yes": True, "1": True, "on": True, "no": False, "0": False, "off": False}

DEFINE = Command(
    name="network define",
    usage="NAME [KEY=VALUE ...] [--start]",
    sentence="Define a network: kind=nat|routed|isolated|bridge bridge= address= address6= dhcp=yes|no "
    "domain= outside= isolated=yes|no autostart=yes|no.",
    options=(Option("", "start", "Start it, too."), JSON),
)
LIST = Command(name="network list", sentence="List the networks.", options=(JSON,))
SHOW = Command(
    name="network show",
    usage="NAME",
    sentence="Show a network: what is plugged in, and which leases are out.",
    options=(JSON,),
)
START = Command(name="network start", usage="NAME", sentence="Start a network.")
STOP = Command(name="network stop", usage="NAME", sentence="Stop a network that no card is in.")
UNDEFINE = Command(name="network undefine", usage="NAME", sentence="Forget a network that is stopped.")
EDIT = Command(
    name="network edit",
    usage="NAME [KEY=VALUE ...]",
    sentence="Change a network that is stopped: what is given, or in your editor.",
)
AUTOSTART = Command(
    name="network autostart",
    usage="NAME on|off",
    sentence="Start a network with xend from now on, or do not.",
)

CHECK = Command(
    name="network check",
    usage="[DOM] [--all] [--json]",
    sentence="Say where packets of a domain, or of all, stop; the exit status is 1 if they do somewhere.",
    options=(Option("", "all", "Say where they pass, too."), JSON),
)


def run(call: Call) -> int:
    """`xm network VERB ...`."""
    verb, *arguments = call.arguments or [""]
    if verb in _VERBS:
        command, action = _VERBS[verb]
        if "-h" in arguments or "--help" in arguments:
            from domus.cli.help import usage

            sys.stdout.write(usage(command))
            return 0
        values, words = parse(command, arguments)
        return action(call, values, words)
    wrong = verb not in ("", "-h", "--help", "help")
    if wrong:
        print(f"Error: 'xm network {verb}' is not a subcommand of xm network.", file=sys.stderr)
    print("Usage: xm network <verb> [args]\n\nNamed networks of the host, for network=NAME in vif.\n")
    for command, _ in _VERBS.values():
        print(f"  {command.name} {command.usage}".rstrip())
        print(f"      {command.sentence}")
    return 1 if wrong else 0


def _define(call: Call, values: Values, words: list[str]) -> int:
    from domus.model.networks import Network

    if not words:
        raise UsageError("'xm network define' needs a name", command=DEFINE)
    wanted = _with(Network(name=words[0]), words[1:], DEFINE)
    info = call.client.networks.define(wanted)
    if "start" in values:
        info = call.client.networks.start(wanted.name)
    if "json" in values:
        _print_json(info)
    elif not info.active:
        print(f"Network {wanted.name} is defined; xm network start {wanted.name} starts it.")
    return 0


def _list(call: Call, values: Values, words: list[str]) -> int:
    _no_more(LIST, words)
    networks = call.client.networks.list()
    if "json" in values:
        _print_json(networks)
        return 0
    print(f"{'Name':<20} {'Kind':<9} {'State':<9} {'Autostart':<9} {'Bridge':<15} Address")
    for info in networks:
        each = info.network
        print(
            f"{each.name:<20} {each.kind:<9} {'active' if info.active else 'stopped':<9} "
            f"{'yes' if each.autostart else 'no':<9} {each.device:<15} "
            + " ".join(filter(None, (each.address, each.address6)))
        )
    return 0


def _show(call: Call, values: Values, words: list[str]) -> int:
    info = call.client.networks.get(_name(SHOW, words))
    if "json" in values:
        _print_json(info)
    else:
        sys.stdout.write(shown(info, time.time()))
    return 0


def shown(info: NetworkInfo, now: float) -> str:
    """A network, for people."""
    lines = [f"{key:<10} {value}" for key, value in _pairs(info.network).items()]
    state = "active" if info.active else "stopped"
    if info.active and info.network.has_own_bridge and info.network.dhcp:
        state += ", DHCP and DNS served" if info.serving else ", its DHCP server does not run"
    lines.insert(1, f"{'state':<10} {state}")
    lines += ["", "Cards"] if info.cards else []
    lines += [
        f"  {card.domain:<20} {card.devid:<3} {card.mac}  {' '.join(card.addresses) or 'any address'}"
        for card in info.cards
    ]
    lines += ["", "Leases"] if info.leases else []
    for lease in info.leases:
        left = "for ever" if not lease.expires else f"for {max(0, int(lease.expires - now)) // 60} min"
        lines.append(f"  {lease.address:<16} {lease.mac}  {left}  {lease.name}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def _start(call: Call, _: Values, words: list[str]) -> int:
    call.client.networks.start(_name(START, words))
    return 0


def _stop(call: Call, _: Values, words: list[str]) -> int:
    call.client.networks.stop(_name(STOP, words))
    return 0


def _undefine(call: Call, _: Values, words: list[str]) -> int:
    call.client.networks.undefine(_name(UNDEFINE, words))
    return 0


def _edit(call: Call, _: Values, words: list[str]) -> int:
    if not words:
        raise UsageError("'xm network edit' needs a name", command=EDIT)
    known = call.client.networks.get(words[0]).network
    given = words[1:] or _edited(known)
    call.client.networks.change(_with(known, given, EDIT))
    return 0


def _edited(known: Network) -> list[str]:
    """What is in the user's editor at its end."""
    from domus.cli.edit import in_editor

    text = "".join(f"{key}={value}\n" for key, value in _pairs(known).items() if key != "name")
    lines = in_editor(f"network-{known.name}", "txt", text).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _autostart(call: Call, _: Values, words: list[str]) -> int:
    if len(words) != 2 or words[1] not in _SAID:
        raise UsageError("'xm network autostart' needs a name, and on or off", command=AUTOSTART)
    call.client.networks.autostart(words[0], _SAID[words[1]])
    return 0


def _check(call: Call, values: Values, words: list[str]) -> int:
    if len(words) > 1:
        raise UsageError("'xm network check' takes one domain, or none", command=CHECK)
    steps = call.client.networks.check(words[0] if words else None)
    stops = [step for step in steps if not step.passes]
    if "json" in values:
        _print_json(steps)
        return 1 if stops else 0
    for step in steps if "all" in values else stops:
        card = "" if step.devid is None else f", card {step.devid}"
        print(f"{'  ' if step.passes else '! '}{step.about}{card}: {step.text}")
        if step.hint:
            print(f"      {step.hint}")
    if not stops:
        print(f"Nothing stops the packets: {len(steps)} places were looked at.")
    return 1 if stops else 0


def _with(network: Network, words: list[str], command: Command) -> Network:
    """`network` with what KEY=VALUE words say."""
    from msgspec.structs import replace

    from domus.config.suggestions import did_you_mean
    from domus.model.networks import NetworkKind, checked

    fields: dict[str, object] = {}
    for word in words:
        key, sign, value = (part.strip() for part in word.partition("="))
        if not sign:
            raise UsageError(f"{word[:60]!r} should be a pair, KEY=VALUE", command=command)
        if key not in _KEYS:
            raise BadInput(
                f"unknown key {key[:40]!r}", hint=did_you_mean(key, _KEYS) or f"one of {', '.join(_KEYS)}"
            )
        if key in _FLAGS:
            if value not in _SAID:
                raise BadInput(f"{key} is yes or no, not {value[:40]!r}")
            fields[key] = _SAID[value]
        elif key == "kind":
            if value not in tuple(NetworkKind):
                raise BadInput(f"kind is one of {', '.join(NetworkKind)}, not {value[:40]!r}")
            fields[key] = NetworkKind(value)
        else:
            fields[key] = value
    return checked(replace(network, **fields))


def _pairs(network: Network) -> dict[str, str]:
    said = {"name": network.name}
    for key in _KEYS:
        value = network.device if key == "bridge" else getattr(network, key)
        said[key] = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return said


def _name(command: Command, words: list[str]) -> str:
    if len(words) != 1:
        raise UsageError(f"'xm {command.name}' needs the name of a network", command=command)
    return words[0]


def _no_more(command: Command, words: list[str]) -> None:
    if words:
        raise UsageError(f"'xm {command.name}' takes no arguments", command=command)


def _print_json(value: object) -> None:
    from domus.cli.as_json import document

    sys.stdout.write(document(value))


_VERBS: Final[dict[str, tuple[Command, Callable[[Call, Values, list[str]], int]]]] = {
    "define": (DEFINE, _define),
    "list": (LIST, _list),
    "show": (SHOW, _show),
    "start": (START, _start),
    "stop": (STOP, _stop),
    "undefine": (UNDEFINE, _undefine),
    "edit": (EDIT, _edit),
    "autostart": (AUTOSTART, _autostart),
    "check": (CHECK, _check),
}
