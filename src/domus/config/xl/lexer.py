"""The words of xl.cfg.

Wider than xl's own lexer where that one is broken: CR counts as a blank, a comment may end the file,
and `\\xHH` and `\\ooo` mean what they mean in C.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from domus.config.problems import Place, Source

_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t\r]+)
      | (?P<newline>(?:\#[^\n]*)?\n|\#[^\n]*\Z)
      | (?P<name>[a-z][._0-9a-z]*)
      | (?P<number>[0-9][0-9a-fx]*)
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
      | (?P<add>\+=)
      | (?P<mark>[=,\[\];])
      | (?P<other>.)""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)")
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


class Token(NamedTuple):
    """A word: its kind, what it stands for, and where it is."""

    kind: str  #: "name", "number", "string", "newline", "end", "error", or the mark itself
    text: str
    place: Place
    hint: str = ""


def tokens(source: Source) -> Iterator[Token]:
    """The tokens of a text, an "end" last; what is no token comes as an "error"."""
    line, start = 1, 0
    for match in _TOKEN.finditer(source.text):
        kind = match.lastgroup or "other"
        place = Place(line, match.start() - start + 1)
        if kind == "newline":
            yield Token("newline", "the end of the line", place)
            line, start = line + 1, match.end()
        elif kind in ("name", "number"):
            yield Token(kind, match[0], place)
        elif kind == "string":
            yield _string(match[0], place)
        elif kind in ("add", "mark"):
            yield Token(match[0], match[0], place)
        elif kind == "other":
            yield Token("error", match[0], place, _advice(match[0]))
    yield Token("end", "the end of the file", Place(line, len(source.text) - start + 1))


def _string(quoted: str, place: Place) -> Token:
    inside = quoted[1:-1]
    if "\\" not in inside:
        return Token("string", inside, place)
    wrong: list[str] = []

    def replace(match: re.Match[str]) -> str:
        escape = match[1]
        if escape[0] == "x" and len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape[0] in "01234567":
            return chr(int(escape, 8))
        if escape in "'\"":
            return escape
        if escape not in _LETTERS:
            wrong.append(match[0])
        return _LETTERS.get(escape, escape)

    text = _ESCAPE.sub(replace, inside)
    if wrong or "\0" in text:
        hint = (
            f"{wrong[0]} means nothing in a string; a backslash is written \\\\"
            if wrong
            else "a NUL character"
        )
        return Token("error", quoted, place, hint)
    return Token("string", text, place)


def _advice(character: str) -> str:
    if character in "\"'":
        return "the string does not end on this line"
    if character.isascii() and character.isupper():
        return "parameters are written in lower case, words as values in quotes"
    if character in "-+":
        return "a negative number is written in quotes"
    if character in "().:%":
        return "this looks like Python; xl files cannot compute"
    return ""
