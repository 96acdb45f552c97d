"""The table of subcommands with their states, as docs/commands.md has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from domus.cli.command import Command
from domus.cli.declared import everything

_HEAD: Final = """\
# The subcommands of xm

Made from their declarations (`domus.cli.declared`) by `scripts/manuals`; a test fails when it is stale.

*yes* stands under a type of guest when a test runs the subcommand with such guests on real Xen; *-* when it
is not about guests. What is *not yet* there says so and exits with 1; what is *gone* from Xen itself names
what to use instead.

| subcommand | what it does | state | PV | PVH | HVM | tested by |
| --- | --- | --- | --- | --- | --- | --- |
"""

_TYPES: Final = ("pv", "pvh", "hvm")


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_rows())


def _rows() -> Iterator[str]:
    for command in everything():
        cells = (
            f"`{command.name}`",
            command.sentence,
            state(command),
            *(_guests(command, each) for each in _TYPES),
            ", ".join(f"`{name}`" for name in command.tested.split()),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def state(command: Command) -> str:
    """Whether it is there, and without what."""
    if command.gone:
        return f"gone: {command.gone}"
    if not command.is_here:
        return "not yet"
    missing = [option.spelling.split(",")[0] for option in command.options if option.later]
    return f"yes, without {' '.join(missing)}" if missing else "yes"


def _guests(command: Command, kind: str) -> str:
    if not command.is_here or not command.works:
        return ""
    return "-" if command.works == "-" else ("yes" if kind in command.works.split() else "")
