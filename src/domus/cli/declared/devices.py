"""Devices of running domains."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_LONG: Final = Option("l", "long", "Print all that is known of each, in SXP.")
_FORCE: Final = Option("f", "force", "Take it away at once, without asking the guest.")

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="block-attach",
        usage="DOM BACKDEV FRONTDEV MODE [BACKDOM] | DOM DISK-SPEC ...",
        sentence="Attach a disk to a running domain.",
        runs="block:attach",
    ),
    Command(
        name="block-detach",
        usage="DOM DEVID [-f|--force]",
        sentence="Detach a disk from a running domain.",
        runs="block:detach",
        counts=(2, 3),
        options=(_FORCE,),
    ),
    Command(
        name="block-list",
        usage="DOM [-l|--long] [--json]",
        sentence="List the disks of a domain.",
        runs="block:list_devices",
        options=(_LONG, JSON),
    ),
    Command(
        name="block-configure",
        usage="DOM BACKDEV FRONTDEV MODE [BACKDOM]",
        sentence="Change the medium of an HVM domain's CD drive.",
        runs="block:configure",
    ),
    Command(
        name="cd-insert",
        usage="DOM VDEV TARGET",
        sentence="Put a medium into an HVM domain's CD drive.",
        runs="block:insert",
        counts=(3, 3),
    ),
    Command(
        name="cd-eject",
        usage="DOM VDEV",
        sentence="Take the medium out of an HVM domain's CD drive.",
        runs="block:eject",
        counts=(2, 2),
    ),
    Command(
        name="network-attach",
        usage="DOM [KEY=VALUE ...]",
        sentence="Attach a network card to a running domain.",
        runs="network:attach",
        counts=(1, 17),
    ),
    Command(
        name="network-detach",
        usage="DOM DEVID|MAC [-f|--force]",
        sentence="Detach a network card from a running domain.",
        runs="network:detach",
        counts=(2, 3),
        options=(_FORCE,),
    ),
    Command(
        name="network-list",
        usage="DOM [-l|--long] [--json]",
        sentence="List the network cards of a domain.",
        runs="network:list_devices",
        options=(_LONG, JSON),
    ),
)
