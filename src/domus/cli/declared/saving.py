"""Domains into files and back, and what happens on a host as it happens."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="save",
        usage="[-c] DOM FILE",
        sentence="Save a domain into a file of its host, and take it away; xl can restore it, too.",
        runs="saving:save",
        counts=(2, 3),
        options=(Option("c", "checkpoint", "Let the domain go on once it is saved."),),
    ),
    Command(
        name="restore",
        usage="FILE [-p]",
        sentence="Bring back a domain that xm save, or xl save, put into a file of the host.",
        runs="saving:restore",
        counts=(1, 2),
        options=(Option("p", "paused", "Leave the domain paused."),),
    ),
)
