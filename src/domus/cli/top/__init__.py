"""`xm top`: what the domains use, as a screen with keys, or line by line for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.model.errors import BadInput, NotFound

if TYPE_CHECKING:
    from domus.cli.options import Call

#: seconds between two pictures, as xentop has them
DELAY: Final = 3.0


def run(call: Call) -> int:
    """`xm top [-b] [-i N] [-d S] [-f] [--json]`."""
    if call.words:
        raise call.wrong("'xm top' takes no domains: / filters them on the screen")
    iterations = _count(call)
    delay = _seconds(call)
    if call.has("batch") or call.has("json"):
        from domus.cli.top import batch

        batch.run(
            call.client.statistics,
            iterations=iterations,
            delay=delay,
            full_names=call.has("full-name"),
            json=call.has("json"),
        )
        return 0
    if iterations is not None:
        raise call.wrong("-i is for --batch")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("xm top wants a terminal", hint="'xm top --batch' prints lines")
    try:
        from domus.cli.top.screen import Top
    except ModuleNotFoundError as error:
        raise NotFound(
            f"the screen of xm top needs {error.name}, which is not installed",
            hint="on Debian: apt install python3-textual; 'xm top --batch' does without",
        ) from error
    from domus.cli.target import choose

    # The screen asks in a thread of its own, and a client is for one thread at a time.
    client = call.client
    top = Top(client.statistics, choose(call.host).client, delay=delay)
    top.run()
    if top.failure is not None:
        raise top.failure
    return 0


def _count(call: Call) -> int | None:
    text = call.value("iterations")
    if not call.has("iterations"):
        return None
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise call.wrong(f"-i is a number of pictures, not {text!r}")
    return int(text)


def _seconds(call: Call) -> float:
    text = call.value("delay")
    if not call.has("delay"):
        return DELAY
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 86400:
        raise call.wrong(f"-d is a number of seconds from 0.1 on, not {text!r}")
    return seconds
