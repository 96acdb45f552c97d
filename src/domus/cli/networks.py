"""`xm network`: the host's named networks, which cards are plugged into by `network=NAME`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from domus.cli import verbs
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.networks import Network, NetworkInfo

_KEYS: Final = (
    *("kind", "bridge", "address", "address6", "dhcp", "domain", "outside", "isolated", "autostart"),
    "firewall",
)
_FLAGS: Final = ("dhcp", "isolated", "autostart")
_SAID: Final = {"yes": True, "1": True, "on": True, "no": False, "0": False, "off": False}


def run(call: Call) -> int:
    """`xm network VERB ...`."""
    return verbs.run(call)


def define(call: Call) -> int:
    """`xm network define`."""
    from domus.model.networks import Network

    name, *words = call.words
    wanted = _with(call, Network(name=name), words)
    info = call.client.networks.define(wanted)
    if call.has("start"):
        info = call.client.networks.start(wanted.name)
    if call.has("json"):
        _print_json(info)
    elif not info.active:
        print(f"Network {wanted.name} is defined; xm network start {wanted.name} starts it.")
    return 0


def list_all(call: Call) -> int:
    """`xm network list`."""
    networks = call.client.networks.list()
    if call.has("json"):
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


def show(call: Call) -> int:
    """`xm network show`."""
    info = call.client.networks.get(call.words[0])
    if call.has("json"):
        _print_json(info)
    else:
        sys.stdout.write(shown(info, time.time()))
    return 0


def shown(info: NetworkInfo, now: float) -> str:
    """A network, for people."""
    lines = [f"{key:<10} {value}" for key, value in _pairs(info.network).items()]
    state = "active" if info.active else "stopped"
    if info.active and info.network.serves_dhcp:
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


def start(call: Call) -> int:
    """`xm network start`."""
    call.client.networks.start(call.words[0])
    return 0


def stop(call: Call) -> int:
    """`xm network stop`."""
    call.client.networks.stop(call.words[0])
    return 0


def undefine(call: Call) -> int:
    """`xm network undefine`."""
    call.client.networks.undefine(call.words[0])
    return 0


def edit(call: Call) -> int:
    """`xm network edit`."""
    name, *words = call.words
    known = call.client.networks.get(name).network
    call.client.networks.change(_with(call, known, words or _edited(known)))
    return 0


def _edited(known: Network) -> list[str]:
    """What is in the user's editor at its end."""
    from domus.cli.edit import in_editor

    text = "".join(f"{key}={value}\n" for key, value in _pairs(known).items() if key != "name")
    lines = in_editor(f"network-{known.name}", "txt", text).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def autostart(call: Call) -> int:
    """`xm network autostart`."""
    name, said = call.words
    if said not in _SAID:
        raise call.wrong("'xm network autostart' needs a name, and on or off")
    call.client.networks.autostart(name, _SAID[said])
    return 0


def check(call: Call) -> int:
    """`xm network check`."""
    steps = call.client.networks.check(*call.words)
    stops = [step for step in steps if not step.passes]
    if call.has("json"):
        _print_json(steps)
        return 1 if stops else 0
    for step in steps if call.has("all") else stops:
        card = "" if step.devid is None else f", card {step.devid}"
        print(f"{'  ' if step.passes else '! '}{step.about}{card}: {step.text}")
        if step.hint:
            print(f"      {step.hint}")
    if not stops:
        print(f"Nothing stops the packets: {len(steps)} places were looked at.")
    return 1 if stops else 0


def _with(call: Call, network: Network, words: list[str]) -> Network:
    """`network` with what KEY=VALUE words say."""
    from msgspec.structs import replace

    from domus.config.suggestions import did_you_mean
    from domus.model import firewall
    from domus.model.networks import NetworkKind, checked

    fields: dict[str, object] = {}
    for word in words:
        key, sign, value = (part.strip() for part in word.partition("="))
        if not sign:
            raise call.wrong(f"{word[:60]!r} should be a pair, KEY=VALUE")
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
        elif key == "firewall":
            fields[key] = tuple(map(str, firewall.parse_all(firewall.split(value))))
        else:
            fields[key] = value
    return checked(replace(network, **fields))


def _pairs(network: Network) -> dict[str, str]:
    said = {"name": network.name}
    for key in _KEYS:
        value = network.device if key == "bridge" else getattr(network, key)
        if key == "firewall":
            value = "; ".join(value)
        said[key] = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return said


def _print_json(value: object) -> None:
    from domus.cli.as_json import document

    sys.stdout.write(document(value))
