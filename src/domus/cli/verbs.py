"""Subcommands with verbs, such as `xm image create`: each verb is declared like a subcommand of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli.options import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.command import Command


def run(call: Call, verbs: Sequence[Command]) -> int:
    """Carry out the verb that the arguments begin with; without one, list them."""
    words = call.arguments
    verb = next((each for each in verbs if words[:1] == each.name.split()[1:]), None)
    if verb is None:
        wrong = bool(words) and words[0] not in ("-h", "--help", "help")
        if wrong:
            name = call.command.name
            print(f"Error: 'xm {name} {words[0]}' is not a subcommand of xm {name}.", file=sys.stderr)
        _overview(call.command, verbs)
        return 1 if wrong else 0
    if any(word in ("-h", "--help") for word in words[1:]):
        from domus.cli.help import usage

        sys.stdout.write(usage(verb))
        return 0
    return verb.load()(Call(verb, words[1:], host=call.host, debug=call.debug))


def _overview(command: Command, verbs: Sequence[Command]) -> None:
    print(f"Usage: xm {command.name} <verb> [args]\n\n{command.sentence}\n")
    for verb in verbs:
        print(f"  {verb.name} {verb.usage}".rstrip())
        print(f"      {verb.sentence}")
