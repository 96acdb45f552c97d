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
)
