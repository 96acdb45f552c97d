"""The subcommands, each declared once: dispatch, options, help, manual and completion are made from it.

One module per area of xm, found in this order; `later` has those that are not part of this version yet,
`gone` those that Xen itself no longer has.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domus.cli.command import Command

#: the modules beside this one, those that are used most first: an exact name is looked for no further
AREAS: Final = (
    "domains",
    "managed",
    "saving",
    "migration",
    "devices",
    "networks",
    "passthrough",
    "virtual_devices",
    "images",
    "host",
    "lab",
    "languages",
    "watching",
    "cpus",
    "cpupools",
    "debugging",
    "psr",
    "quotas",
    "assistance",
    "later",
    "gone",
)

#: old names that still work, with a line that tells the new one
ALIASES: Final = {
    "balloon": "mem-set",
    "set-vcpus": "vcpu-set",
    "vif-list": "network-list",
    "vbd-create": "block-attach",
    "vbd-destroy": "block-detach",
    "vbd-list": "block-list",
} | {
    f"pool-{verb}": f"cpupool-{verb}"
    for verb in ("create", "new", "start", "list", "destroy", "delete", "cpu-add", "cpu-remove", "migrate")
}

_SHORTEST_PREFIX: Final = 2


def everything() -> Iterator[Command]:
    """All subcommands, in the order of their areas."""
    for area in AREAS:
        yield from import_module(f"domus.cli.declared.{area}").COMMANDS


def present() -> list[Command]:
    """Those that this version can do."""
    return [command for command in everything() if command.is_here]


def find(name: str) -> Command | None:
    """The subcommand that `name` stands for: its name, an alias, or a prefix that fits only one.

    What xm did not have makes no prefix ambiguous that was none there.
    """
    name = ALIASES.get(name, name)
    for command in everything():
        if command.name == name:
            return command
    if len(name) < _SHORTEST_PREFIX:
        return None
    fits = [command for command in everything() if command.name.startswith(name) and command.name != "help"]
    old = [command for command in fits if command.origin == "xm"]
    return old[0] if len(old) == 1 else fits[0] if len(fits) == 1 else None
