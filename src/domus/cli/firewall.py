"""`xm firewall`: rules of what reaches guests, and of what they reach."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli import verbs
from domus.model.errors import BadInput, NotFound

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.firewall import Firewall, FirewallInfo


def run(call: Call) -> int:
    """`xm firewall VERB ...`."""
    return verbs.run(call)


def list_all(call: Call) -> int:
    """`xm firewall list`."""
    found = call.client.firewall.list()
    if call.has("json"):
        _print_json(found)
        return 0
    print(f"{'Target':<32} {'Rules':>5}  State")
    for each in found:
        print(f"{each.target:<32} {len(each.rules):>5}  {_state(each)}")
    return 0


def show(call: Call) -> int:
    """`xm firewall show`."""
    return _show(call, call.client.firewall.get(call.words[0]))


def add(call: Call) -> int:
    """`xm firewall add`."""
    from domus.model.firewall import Firewall, parse

    target, text = _target(call)
    rule = str(parse(text))
    now = call.client.firewall.get(target).texts
    place = len(now) + 1
    if call.has("at"):
        place = _number(call.value("at"), len(now) + 1)
    if rule in now:
        raise BadInput(f"{target} has this rule already, as number {now.index(rule) + 1}")
    rules = (*now[: place - 1], rule, *now[place - 1 :])
    return _change(call, target, Firewall(rules=rules, instead_of=now))


def delete(call: Call) -> int:
    """`xm firewall delete`."""
    from domus.model.firewall import Firewall, parse

    target, said = _target(call)
    if call.has("all") == bool(said):
        raise call.wrong("'xm firewall delete' needs a rule, or --all")
    now = call.client.firewall.get(target).texts
    if call.has("all"):
        return _change(call, target, Firewall(instead_of=now))
    if said.isascii() and said.isdecimal():
        place = _number(said, len(now))
    elif (rule := str(parse(said))) in now:
        place = now.index(rule) + 1
    else:
        raise NotFound(f"{target} has no rule {rule!r}", hint=f"xm firewall show {target}")
    left = (*now[: place - 1], *now[place:])
    return _change(call, target, Firewall(rules=left, instead_of=now))


def _target(call: Call) -> tuple[str, str]:
    """Whose rules are meant, and what else is said."""
    target, *words = call.words
    return target, " ".join(words)


def _change(call: Call, target: str, wanted: Firewall) -> int:
    return _show(call, call.client.firewall.put(target, wanted))


def _show(call: Call, info: FirewallInfo) -> int:
    if call.has("json"):
        _print_json(info)
        return 0
    print(f"{info.target}: {_state(info)}")
    for number, each in enumerate(info.rules, start=1):
        dropped = f"   ({each.dropped} packets dropped)" if each.dropped is not None else ""
        print(f"{number:>4}  {each.rule}{dropped}")
    return 0


def _state(info: FirewallInfo) -> str:
    if not info.rules:
        return "no rules: everything passes"
    return "active" if info.active else "not in use now: no card is behind it"


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise BadInput(f"{text[:20]!r} is no place of a rule", hint=f"1 to {most}" if most else "it has none")
    return int(text)


def _print_json(value: object) -> None:
    from domus.cli.as_json import document

    sys.stdout.write(document(value))
