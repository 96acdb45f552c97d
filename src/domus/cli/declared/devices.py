"""Devices of running domains."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON, PERSIST

_LONG: Final = Option("l", "long", "Print all that is known of each, in SXP.")
_FORCE: Final = Option("f", "force", "Take it away at once, without asking the guest.")

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="block-attach",
        usage="DOM BACKDEV FRONTDEV MODE [BACKDOM] | DOM DISK-SPEC ... [--persist]",
        sentence="Attach a disk to a running domain.",
        runs="block:attach",
        works="pv pvh hvm",
        tested="domains/test_lab_attachments.py system/test_devices.py domains/test_guest_types.py",
        options=(PERSIST,),
    ),
    Command(
        name="block-detach",
        usage="DOM DEVID [-f|--force] [--persist]",
        sentence="Detach a disk from a running domain.",
        runs="block:detach",
        works="pv pvh hvm",
        tested="domains/test_lab_attachments.py system/test_devices.py domains/test_guest_types.py",
        counts=(2, 3),
        options=(_FORCE, PERSIST),
    ),
    Command(
        name="block-list",
        usage="DOM [-l|--long] [--json]",
        sentence="List the disks of a domain.",
        runs="block:list_devices",
        works="pv pvh hvm",
        tested="system/test_devices.py system/test_second_opinion.py",
        options=(_LONG, JSON),
    ),
    Command(
        name="block-configure",
        usage="DOM BACKDEV FRONTDEV MODE [BACKDOM]",
        sentence="Change the medium of an HVM domain's CD drive.",
        runs="block:configure",
        works="hvm",
        tested="system/test_hvm.py",
    ),
    Command(
        name="cd-insert",
        origin="xl",
        usage="DOM VDEV TARGET",
        sentence="Put a medium into an HVM domain's CD drive.",
        runs="block:insert",
        works="hvm",
        tested="system/test_hvm.py",
        counts=(3, 3),
    ),
    Command(
        name="cd-eject",
        origin="xl",
        usage="DOM VDEV",
        sentence="Take the medium out of an HVM domain's CD drive.",
        runs="block:eject",
        works="hvm",
        tested="system/test_hvm.py",
        counts=(2, 2),
    ),
    Command(
        name="disk",
        origin="domus",
        usage="df [--json] | list [--json]",
        sentence="Show where disks are stored and how full it is there; list all disks and who has them.",
        runs="disk:run",
        options=(JSON,),
        counts=(1, 1),
    ),
    Command(
        name="network-attach",
        usage="DOM [KEY=VALUE ...] [--persist]",
        sentence="Attach a network card to a running domain.",
        runs="network:attach",
        works="pv pvh hvm",
        tested="domains/test_lab_attachments.py system/test_devices.py domains/test_guest_types.py",
        counts=(1, 17),
        options=(PERSIST,),
    ),
    Command(
        name="network-detach",
        usage="DOM DEVID|MAC [-f|--force] [--persist]",
        sentence="Detach a network card from a running domain.",
        runs="network:detach",
        works="pv pvh hvm",
        tested="domains/test_lab_attachments.py system/test_devices.py domains/test_guest_types.py",
        counts=(2, 3),
        options=(_FORCE, PERSIST),
    ),
    Command(
        name="network-list",
        usage="DOM [-l|--long] [--json]",
        sentence="List the network cards of a domain.",
        runs="network:list_devices",
        works="pv pvh hvm",
        tested="system/test_devices.py system/test_second_opinion.py",
        options=(_LONG, JSON),
    ),
)
