"""`xm dmesg` and `xm log`: what the hypervisor and xend have written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domus.cli.options import Call


def dmesg(call: Call) -> int:
    """`xm dmesg [-c]`: Xen's console ring as it is."""
    if call.words:
        raise call.wrong("No parameter required")
    sys.stdout.write(call.client.dmesg(clear=call.has("clear")))
    return 0


def log(call: Call) -> int:
    """`xm log`: xend's log, and an empty line, as xm ended it."""
    print(call.client.log())
    return 0
