"""Virtual devices that other domains, or programs in domain 0, are the backends of."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_LONG: Final = Option("l", "long", "Print all that is known of each, in SXP.")
_FORCE: Final = Option("f", "force", "Take it away whether the guest agrees or not.")
_TESTED: Final = "domains/test_virtual_devices.py"


def _of(kind: str, what: str, usage: str) -> tuple[Command, ...]:
    """What xl has for a kind of device: attach, list, detach."""
    return (
        Command(
            name=f"{kind}-attach",
            origin="xl",
            usage=f"DOM {usage}",
            sentence=f"Attach a virtual {what} to a running domain, specified as for {kind}= in a file.",
            runs=f"virtual_devices:attach_{kind}",
            works="pv",
            tested=_TESTED,
        ),
        Command(
            name=f"{kind}-list",
            origin="xl",
            usage="DOM [--json]",
            sentence=f"List the virtual {what}s of a domain.",
            runs=f"virtual_devices:list_{kind}s",
            works="pv",
            tested=_TESTED,
            options=(JSON,),
        ),
        Command(
            name=f"{kind}-detach",
            origin="xl",
            usage="DOM DEVID [-f|--force]",
            sentence=f"Detach a virtual {what} from a running domain.",
            runs=f"virtual_devices:detach_{kind}",
            works="pv",
            tested=_TESTED,
            counts=(2, 3),
            options=(_FORCE,),
        ),
    )


COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="vtpm-list",
        usage="DOM [-l|--long] [--json]",
        sentence="List the virtual TPMs of a domain.",
        runs="virtual_devices:list_vtpms",
        options=(_LONG, JSON),
    ),
    Command(
        name="vtpm-attach",
        origin="xl",
        usage="DOM backend=DOM [uuid=UUID]",
        sentence="Attach a virtual TPM to a running domain.",
        runs="virtual_devices:attach_vtpm",
        counts=(2, 3),
    ),
    Command(
        name="vtpm-detach",
        origin="xl",
        usage="DOM DEVID|UUID [-f|--force]",
        sentence="Detach a virtual TPM from a running domain.",
        runs="virtual_devices:detach_vtpm",
        counts=(2, 3),
        options=(_FORCE,),
    ),
    Command(
        name="console-list",
        origin="domus",
        usage="DOM [--json]",
        sentence="List the consoles of a domain.",
        runs="virtual_devices:list_consoles",
        options=(JSON,),
    ),
    Command(
        name="channel-list",
        origin="xl",
        usage="DOM [--json]",
        sentence="List the channels of a domain.",
        runs="virtual_devices:list_channels",
        options=(JSON,),
    ),
    Command(
        name="9p-list",
        origin="domus",
        usage="DOM [--json]",
        sentence="List the directories that a domain shares with the host.",
        runs="virtual_devices:list_9p",
        options=(JSON,),
    ),
    *_of("vkb", "keyboard", "backend-type=qemu|linux [KEY=VALUE ...]"),
    *_of("vdispl", "display", "[backend=DOM] [be-alloc=0|1] connectors=ID:WIDTHxHEIGHT[;...]"),
    *_of("vsnd", "sound card", "CARD,... PCM,... STREAM,..."),
)
