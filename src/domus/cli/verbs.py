"""Subcommands with verbs, such as `xm image create`: each verb is declared like a subcommand of its own."""

from __future__ import annotations

import sys

from domus.cli.options import Call


def run(call: Call) -> int:
    """Carry out the verb that the arguments begin with; without one, tell which there are."""
    words = call.arguments
    verb = call.command.verb(words)
    if verb is None:
        from domus.cli.help import usage

        wrong = bool(words) and words[0] not in ("-h", "--help", "help")
        if wrong:
            name = call.command.name
            print(f"Error: 'xm {name} {words[0]}' is not a subcommand of xm {name}.", file=sys.stderr)
        sys.stdout.write(usage(call.command))
        return 1 if wrong else 0
    rest = words[len(verb.name.split()) - 1 :]
    before = rest[: rest.index("--")] if "--" in rest else rest
    if "-h" in before or "--help" in before:
        from domus.cli.help import usage

        sys.stdout.write(usage(verb))
        return 0
    return verb.load()(Call(verb, rest, host=call.host, debug=call.debug))
