"""Lists of a domain's devices: xm's rows, its long form in SXP, and JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from domus.cli.options import Call
    from domus.model.live import DeviceInfo


def show(call: Call, kind: str, header: str, row: Callable[[DeviceInfo], str]) -> int:
    """Print the devices of one kind that the call's domain has; nothing at all when it has none."""
    if len(call.words) != 1:
        return wrong_count(call)
    devices = call.client.devices.list(call.words[0], kind)
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(devices))
    elif call.has("long"):
        from domus.config.sxp.printer import pretty

        for device in devices:
            nodes = [[name, value] for name, value in device.frontend_nodes.items()]
            sys.stdout.write(pretty([device.devid, nodes]))
    elif devices:
        lines = (header, *map(row, devices))
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def wrong_count(call: Call) -> int:
    """What xm said, on standard output, when not exactly one domain was named."""
    from domus.cli.help import usage

    what = "No multiple domain parameters allowed" if call.words else "No domain parameter given"
    print(what)
    sys.stdout.write(usage(call.command))
    return 1


def number(device: DeviceInfo, node: str, default: int = -1) -> int:
    """A number among the nodes of the frontend; the guest may have written anything there."""
    text = device.frontend_nodes.get(node, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else default


def path(device: DeviceInfo) -> str:
    """Its backend, as xm shows one that is not known."""
    return device.backend or "??"
