"""Writes SXP as xm's pretty printer did.

>>> print(pretty(["vm", ["name", "web1"], ["root", "/dev/xvda1 ro"]]), end="")
(vm (name web1) (root '/dev/xvda1 ro'))
"""

from __future__ import annotations

import re
from typing import Any, Final

_BARE: Final = re.compile(r"@|[A-Za-z0-9.\-_:/~]+")
WIDTH: Final = 80

Tree = Any  #: nested lists of strings and numbers


def atom(value: object) -> str:
    """One atom: bare if its characters allow, else as Python's repr()."""
    if isinstance(value, float | int):
        return str(value)
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    # Python 2's repr() of a byte string: everything outside of printable ASCII as \xHH.
    data = text.encode("utf-8", "surrogateescape")
    return repr(data)[1:]


def flat(tree: Tree) -> str:
    """A tree on one line."""
    return f"({' '.join(map(flat, tree))})" if isinstance(tree, list | tuple) else atom(tree)


def pretty(tree: Tree, width: int = WIDTH) -> str:
    """A tree over several lines: a list that does not fit has one item per line, indented by 4."""
    lines: list[str] = []
    _block(tree, 0, lines, "", width)
    return "\n".join(lines) + "\n"


def _block(tree: Tree, column: int, lines: list[str], prefix: str, width: int) -> None:
    """Print `tree` at `column`; `prefix` is what stands before it on its line."""
    line = flat(tree)
    if not isinstance(tree, list | tuple) or column + len(line) <= width or len(tree) < 2:
        lines.append(prefix + line)
        return

    _block(tree[0], column + 1, lines, f"{prefix}(", width)
    for item in tree[1:]:
        _block(item, column + 4, lines, " " * (column + 4), width)
    lines.append(" " * column + ")")
