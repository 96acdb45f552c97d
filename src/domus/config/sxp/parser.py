"""Reads SXP text as nested lists of atoms.

(domain (name web1) (memory 256) (image (linux (kernel '/boot/a b'))))   # a comment
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from domus.config.problems import Place, Report

_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t\n\v\f\r]+|\#[^\n]*)
      | (?P<open>\()
      | (?P<close>\))
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<unclosed>['"])
      | (?P<atom>[!-~][^ \t\n\v\f\r\#{}()<>\[\];]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS: Final = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "\\": "\\"}
_MOST_NESTED: Final = 60


class Atom(NamedTuple):
    """A word or string; SXP has no numbers."""

    text: str
    place: Place


class Branch(list["Atom | Branch"]):
    """A list, and where it begins."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    @property
    def head(self) -> str:
        """Its first atom; "" when it has none."""
        return self[0].text if self and isinstance(self[0], Atom) else ""

    def children(self) -> list[Branch]:
        """The lists in it."""
        return [item for item in self if isinstance(item, Branch)]

    def child(self, name: str) -> Branch | None:
        """The first list in it that begins with `name`."""
        return next((item for item in self.children() if item.head == name), None)

    def value(self) -> str:
        """Its second element, if that is an atom; else ""."""
        return self[1].text if len(self) > 1 and isinstance(self[1], Atom) else ""


def parse(report: Report) -> list[Atom | Branch]:
    """All top-level forms of the report's source.

    Raises:
        InvalidConfig: the parentheses or quotes do not match.
    """
    text = report.source.text
    top = Branch(Place(1, 1))
    stack = [top]
    line, start = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        place = Place(line, match.start() - start + 1)
        if kind == "open":
            if len(stack) > _MOST_NESTED:
                raise report.fail("lists are nested too deeply", place)
            branch = Branch(place)
            stack[-1].append(branch)
            stack.append(branch)
        elif kind == "close":
            if len(stack) == 1:
                raise report.fail("syntax error: ) closes nothing", place)
            stack.pop()
        elif kind == "string":
            stack[-1].append(Atom(_unquoted(match[0][1:-1]), place))
        elif kind == "atom":
            stack[-1].append(Atom(match[0], place))
        elif kind == "unclosed":
            raise report.fail("unexpected end of the file: this string is not closed", place)
        elif kind == "other":
            raise report.fail(f"syntax error: invalid character {match[0]!r}", place)
        if "\n" in match[0]:
            line += match[0].count("\n")
            start = match.start() + match[0].rfind("\n") + 1
    if len(stack) > 1:
        raise report.fail(
            f"unexpected end of the file: ( of {stack[-1].head or 'a list'} is not closed", stack[-1].place
        )
    return list(top)


def _unquoted(inside: str) -> str:
    if "\\" not in inside:
        return inside

    def replace(match: re.Match[str]) -> str:
        escape = match[1]
        if escape[0] == "x" and len(escape) == 3:
            return chr(int(escape[1:], 16))
        if escape[0] in "01234567":
            return chr(int(escape, 8) & 0xFF)
        if escape in "'\"":
            return escape
        return _LETTERS.get(escape, match[0])

    text = _ESCAPE.sub(replace, inside)
    try:
        return text.encode("latin-1").decode("utf-8")  # escapes stand for bytes
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
