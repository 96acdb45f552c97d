"""Colours: only on a terminal that has them, and not when NO_COLOR says so (no-color.org)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

_CODES: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36}


def wanted(stream: TextIO | None) -> bool:
    """The stream is a terminal that shows colours."""
    return (
        stream is not None
        and "NO_COLOR" not in os.environ
        and os.environ.get("TERM", "dumb") != "dumb"
        and stream.isatty()
    )


def painted(text: str, style: str, stream: TextIO | None) -> str:
    """`text` in a style such as "bold red" when it goes to such a terminal, else as it is."""
    if not text or not wanted(stream):
        return text
    codes = ";".join(str(_CODES[word]) for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"
