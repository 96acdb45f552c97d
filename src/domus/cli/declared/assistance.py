"""xm about itself."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="help",
        usage="[SUBCOMMAND]",
        sentence="Show all subcommands, or the usage of one.",
        runs="help:run",
        needs_host=False,
        options=(
            Option("", "long", "Show all subcommands; the default."),
            Option("", "completion", "Print a script for tab completion; SHELL is bash.", value="SHELL"),
        ),
    ),
)
