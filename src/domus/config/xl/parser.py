"""The grammar of xl.cfg.

file       = { [ assignment ] ( NEWLINE | ";" ) } [ assignment ]
assignment = NAME ( "=" | "+=" ) value
value      = STRING | NUMBER | list
list       = "[" newlines [ value newlines { "," newlines value newlines } [ "," newlines ] ] "]"
"""

from __future__ import annotations

from typing import Any

from domus.config.document import Variable
from domus.config.problems import Place, Report, Source
from domus.config.xl.lexer import Token, tokens

_MOST_NESTED = 20


class SyntaxProblem(Exception):
    """A token that does not fit."""

    def __init__(self, what: str, place: Place, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.place = place
        self.hint = hint


class Number(str):
    """A number as it was written; xl keeps it as text."""

    __slots__ = ()


class Parser:
    """Reads assignments; goes on after the next newline when one is wrong."""

    def __init__(self, source: Source) -> None:
        self.tokens = list(tokens(source))
        self.position = 0
        self.variables: dict[str, Variable] = {}
        self.problems: list[SyntaxProblem] = []
        self.doubts: list[SyntaxProblem] = []

    def parse(self) -> None:
        """Read the whole text."""
        while self._peek().kind != "end":
            try:
                self._statement()
            except SyntaxProblem as problem:
                self.problems.append(problem)
                self._skip_line()

    def _peek(self) -> Token:
        return self.tokens[self.position]

    def _take(self, *kinds: str) -> Token:
        token = self._peek()
        if token.kind not in kinds:
            raise self._unexpected(token, kinds)
        self.position += 1
        return token

    def _unexpected(self, token: Token, kinds: tuple[str, ...]) -> SyntaxProblem:
        words = {
            "name": "a parameter",
            "string": "a text in quotes",
            "number": "a number",
            "newline": "the end of the line",
            "[": "a list",
        }
        expected = " or ".join(dict.fromkeys(words.get(kind, f"'{kind}'") for kind in kinds if kind != "end"))
        got = token.text if token.kind in ("newline", "end") else repr(token.text[:40])
        hint = token.hint
        before = self.tokens[self.position - 1] if self.position else token
        if before.kind == "number" and token.text[:1].isalpha():
            hint = "a number has no unit; memory is in MiB"
        if not hint and token.kind == "name":
            hint = f"words are written in quotes: '{token.text[:40]}'" if "string" in kinds else ""
        return SyntaxProblem(f"syntax error: expected {expected}, not {got}", token.place, hint)

    def _skip_line(self) -> None:
        while self._peek().kind not in ("newline", "end"):
            self.position += 1

    def _statement(self) -> None:
        if self._peek().kind in ("newline", ";"):
            self.position += 1
            return
        name = self._take("name")
        sign = self._take("=", "+=")
        start = self._peek().place
        value, places = self._value(0)
        if self._peek().kind != "end":
            self._take("newline", ";")
        if sign.kind == "+=" and name.text in self.variables:
            self._add(name, value, places)
            return
        if name.text in self.variables:
            before = self.variables[name.text].place
            said = f" (also in line {before.line})" if before is not None else ""
            self.doubts.append(
                SyntaxProblem(f"{name.text} is set twice{said}; the last one counts", name.place)
            )
        self.variables[name.text] = Variable(value, start, places, name.place)

    def _add(self, name: Token, value: Any, places: tuple[Place | None, ...]) -> None:
        before = self.variables[name.text]
        if isinstance(before.value, list) and isinstance(value, list):
            self.variables[name.text] = before._replace(
                value=[*before.value, *value], items=before.items + places
            )
        elif isinstance(before.value, Number) or isinstance(value, Number):
            raise SyntaxProblem(f"{name.text}: a number cannot be added to", name.place, "write the sum")
        elif isinstance(before.value, str) and isinstance(value, str):
            self.variables[name.text] = before._replace(value=before.value + value)
        else:
            raise SyntaxProblem(f"{name.text}: a text and a list cannot be added", name.place)

    def _value(self, depth: int) -> tuple[Any, tuple[Place | None, ...]]:
        token = self._take("string", "number", "[")
        if token.kind == "string":
            return token.text, ()
        if token.kind == "number":
            return Number(token.text), ()
        if depth >= _MOST_NESTED:
            raise SyntaxProblem("lists are nested too deeply", token.place)
        items: list[Any] = []
        places: list[Place | None] = []
        self._newlines()
        while self._peek().kind != "]":
            places.append(self._peek().place)
            items.append(self._value(depth + 1)[0])
            self._newlines()
            if self._peek().kind != "]":
                self._take(",", "]")
                self._newlines()
        self._take("]")
        return items, tuple(places)

    def _newlines(self) -> None:
        while self._peek().kind == "newline":
            self.position += 1


def parse(report: Report) -> Parser:
    """Parse the report's source; problems are in the parser, not yet in the report."""
    parser = Parser(report.source)
    parser.parse()
    return parser


def strtol(text: str) -> int | None:
    """A number as xl reads it, C's strtol with base 0; None: something follows it, or there is none."""
    digits = text.strip()
    sign = -1 if digits[:1] == "-" else 1
    digits = digits.removeprefix("-").removeprefix("+")[:40]
    if not digits.isascii() or not digits.isalnum():
        return None
    try:
        if digits[:2] in ("0x", "0X"):
            return sign * int(digits, 16)
        return sign * int(digits, 8 if digits[0] == "0" else 10)
    except ValueError:
        return None
