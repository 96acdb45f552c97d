"""Watching a host, and finding out what is wrong with it."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="top",
        usage="[options]",
        sentence="Watch domains and host, like top.",
        runs="top:run",
        works="pv",
        tested="cli/test_top_on_xen.py",
        options=(
            Option("b", "batch", "Print lines in xentop's columns instead, for scripts."),
            Option("i", "iterations", "With --batch: so many pictures, then end.", value="N"),
            Option("d", "delay", "Seconds between two pictures; 3 by default.", value="S"),
            Option("f", "full-name", "With --batch: names longer than 10 letters too."),
            Option("", "json", "Print each picture as one line of JSON, with rates in bytes per second."),
        ),
    ),
    Command(
        name="xend-config",
        origin="domus",
        usage="check|migrate|show [FILE] [--json]",
        sentence="Check xend's settings, translate the old xend-config.sxp, or show what applies.",
        runs="xend_config:run",
        works="-",
        tested="cli/test_xend_config.py config/test_settings.py",
        needs_host=False,
        options=(JSON,),
    ),
    Command(
        name="doctor",
        origin="domus",
        usage="[--json]",
        sentence="Examine the host and this machine: what is wrong, and how to mend it.",
        runs="doctor:run",
        works="-",
        tested="domains/test_doctor_on_xen.py",
        counts=(0, 1),
        options=(JSON,),
    ),
)
