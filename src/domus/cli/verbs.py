"""Subcommands with verbs, such as `xm image create`: each verb is declared like a subcommand of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli.options import Call

if TYPE_CHECKING:
    from domus.cli.command import Command


def run(call: Call) -> int:
    """Carry out the verb that the arguments begin with; without one, tell which there are."""
    words = call.arguments
    verb = call.command.verb(words)
    if verb is None:
        return _tell(call.command, words)
    rest = words[len(verb.name.split()) - 1 :]
    before = rest[: rest.index("--")] if "--" in rest else rest
    if "-h" in before or "--help" in before:
        from domus.cli.help import usage

        sys.stdout.write(usage(verb))
        return 0
    return verb.load()(Call(verb, rest, host=call.host, debug=call.debug))


def _tell(command: Command, words: list[str]) -> int:
    from domus.cli.help import overview

    begun = [verb for verb in command.verbs if words and verb.name.split()[1] == words[0]]
    wrong = bool(words) and words[0] not in ("-h", "--help", "help")
    if begun:
        further = ", ".join(verb.name.split()[2] for verb in begun)
        print(f"Error: 'xm {command.name} {words[0]}' does one of: {further}", file=sys.stderr)
    elif wrong:
        name = command.name
        print(f"Error: 'xm {name} {words[0]}' is not a subcommand of xm {name}.", file=sys.stderr)
    sys.stdout.write(overview(command, begun or command.verbs))
    return 1 if wrong else 0
