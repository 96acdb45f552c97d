"""`xm pause` and `xm unpause`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domus.cli.privileged import refuse_dom0

if TYPE_CHECKING:
    from domus.cli.options import Call


def pause(call: Call) -> int:
    """`xm pause DOM`; nothing happens when it is paused already."""
    name = refuse_dom0(call, "pause")
    call.client.pause(name)
    return 0


def unpause(call: Call) -> int:
    """`xm unpause DOM`."""
    name = refuse_dom0(call, "unpause")
    call.client.unpause(name)
    return 0
