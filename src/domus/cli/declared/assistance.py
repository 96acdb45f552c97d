"""xm about itself."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="help",
        usage="[SUBCOMMAND|TOPIC|PARAMETER]",
        sentence="Show all subcommands, the usage of one, a topic, or a parameter of configuration files.",
        runs="help:run",
        works="-",
        tested="cli/test_help.py",
        needs_host=False,
        options=(
            Option("", "long", "Show all subcommands; the default."),
            Option(
                "",
                "completion",
                "Print a script for tab completion; SHELL is bash, zsh or fish.",
                value="SHELL",
            ),
        ),
    ),
    Command(
        name="shell",
        sentence="Read subcommands from a prompt.",
        runs="shell:run",
        works="-",
        tested="cli/test_shell.py",
        needs_host=False,
        counts=(0, 0),
    ),
    Command(
        name="serve",
        sentence="Carry the API over standard input and output.",
        runs="serve:run",
        works="-",
        tested="daemon/test_serve.py",
        counts=(0, 0),
    ),
)
