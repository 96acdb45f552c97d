"""`xm uptime`: how long domains have been running."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.debugging import Uptime

#: the blank at its end is xm's
_HEADER: Final = f"{'Name':<33} {'ID':>4} Uptime "


def run(call: Call) -> int:
    """`xm uptime [-s] [DOM ...] [--json]`."""
    debugging = call.client.debugging
    uptimes = [debugging.uptime(name) for name in call.words] if call.words else debugging.uptimes()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(uptimes))
    elif call.has("short"):
        now = time.strftime("%H:%M:%S")
        for each in uptimes:
            domid = "" if each.domid is None else each.domid
            print(f" {now} up {shown(each.seconds, seconds=False)}, {each.name} ({domid})")
    else:
        print(_HEADER)
        for each in uptimes:
            print(row(each))
    return 0


def row(uptime: Uptime) -> str:
    """One line of the table."""
    domid = "" if uptime.domid is None else uptime.domid
    return f"{uptime.name:<32} {domid:>5} {shown(uptime.seconds)}"


def shown(uptime: int, *, seconds: bool = True) -> str:
    """Seconds as days, hours, minutes and seconds: `1 day,  2:03:30`."""
    days, rest = divmod(uptime, 86400)
    text = "" if not days else f"{days} day{'s' if days > 1 else ''}, "
    text += f"{rest // 3600:>2}:{rest // 60 % 60:02d}"
    return f"{text}:{rest % 60:02d}" if seconds else text
