"""`xm`: the order of things. Options before the subcommand, the subcommand, its failure in one line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli import front
from domus.cli.declared import ALIASES, find

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one xm subcommand; returns the exit code of the process."""
    asked = front.Front([])
    try:
        asked = front.split(sys.argv[1:] if arguments is None else arguments)
        status = dispatch(asked)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        from domus.cli.failure import report

        return report(error, debug=asked.debug)
    return status


def dispatch(asked: front.Front) -> int:
    """Find the subcommand and run it."""
    if asked.debug:
        from domus.cli.failure import log_to_stderr

        log_to_stderr()
    elif asked.verbose:
        from domus.cli.failure import tell_requests

        tell_requests()
    if asked.version:
        from domus import __version__

        print(f"xm (Domus) {__version__}")
        return 0
    if not asked.words:
        from domus.cli import help

        sys.stdout.write(help.short())
        return 1
    if "-h" in asked.words or "--help" in asked.words:
        from domus.cli import help

        if help.is_asked_for(asked.words):
            return help.answer(asked.words)
    return run_subcommand(asked)


def run_subcommand(asked: front.Front) -> int:
    """Run the named subcommand with its arguments."""
    name, *arguments = asked.words
    command = find(name)
    if command is None:
        from domus.cli import help

        near = help.like(name, ())
        meant = f" (did you mean {near}?)" if near else ""
        print(f"Error: Subcommand {name} not found!{meant}", file=sys.stderr, flush=True)
        sys.stdout.write(help.short())
        return 1
    if name in ALIASES:
        print(f"Command {name} is deprecated.  Please use xm {command.name} instead.", file=sys.stderr)
    if not command.is_here:
        from domus.cli.failure import not_here

        raise not_here(command)
    from domus.cli.options import Call

    return command.load()(Call(command, arguments, host=asked.host, debug=asked.debug))
