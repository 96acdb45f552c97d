"""Numbers on the command line, with xm's answer to what is none."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.cli.options import Call

_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]{1,18}\s*", re.ASCII)

#: bytes of each unit
_UNITS: Final = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MEBIBYTE: Final = 1 << 20


def integer(call: Call, text: str) -> int:
    """`text` as a number.

    Raises:
        UsageError: it is none.
    """
    if not _INTEGER.fullmatch(text):
        raise call.wrong("Invalid argument.", hint=f"{text[:40]!r} is no number")
    return int(text)


def mebibytes(call: Call, text: str) -> int:
    """An amount of memory, rounded down to MiB: a number of MiB, or one with a suffix k, m, g or t.

    Raises:
        UsageError: it is no number. A suffix that is none counts as bytes, and is told, as by xm.
    """
    if not text or text[-1].isdigit():
        return integer(call, text)
    if not _INTEGER.fullmatch(text[:-1]):
        return integer(call, text)  # told as it was written
    number, unit = int(text[:-1]), text[-1].lower()
    if unit not in _UNITS:
        print("ignoring unknown unit")
        sys.stdout.flush()
    return number * _UNITS.get(unit, 1) // _MEBIBYTE
