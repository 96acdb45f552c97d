"""Regular expressions for configuration files, taken apart: Python's syntax, as far as files use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from domus.config.evaluator.values import Refused

IGNORECASE: Final = 2
MULTILINE: Final = 8
DOTALL: Final = 16
VERBOSE: Final = 64
_MOST_PATTERN: Final = 2000
_MOST_NESTED: Final = 20
_UNBOUNDED: Final = 1 << 30

Test = Callable[[str], bool]
Node = tuple[Any, ...]


class PatternError(ValueError):
    """A regular expression is malformed."""


CLASSES: Final[dict[str, Test]] = {
    "d": str.isdecimal,
    "D": lambda c: not c.isdecimal(),
    "w": lambda c: c.isalnum() or c == "_",
    "W": lambda c: not (c.isalnum() or c == "_"),
    "s": str.isspace,
    "S": lambda c: not c.isspace(),
}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}


class Parser:
    """Takes a pattern apart."""

    def __init__(self, pattern: str, flags: int) -> None:
        if len(pattern) > _MOST_PATTERN:
            raise PatternError("the pattern is too long")
        self.pattern = pattern
        self.flags = flags
        self.position = 0
        self.groups = 0
        self.names: dict[str, int] = {}
        self.depth = 0

    def parse(self) -> Node:
        """The whole pattern."""
        while self.pattern.startswith("(?", self.position):
            end = self.pattern.find(")", self.position)
            letters = self.pattern[self.position + 2 : end]
            if end < 0 or not letters or set(letters) - set("imsxuaL"):
                break
            for letter, flag in (("i", IGNORECASE), ("m", MULTILINE), ("s", DOTALL), ("x", VERBOSE)):
                self.flags |= flag if letter in letters else 0
            self.position = end + 1
        node = self._alternatives()
        if self.position < len(self.pattern):
            raise PatternError("unbalanced parenthesis")
        return node

    def _peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def _take(self) -> str:
        if self.position >= len(self.pattern):
            raise PatternError("the pattern ends too early")
        self.position += 1
        return self.pattern[self.position - 1]

    def _alternatives(self) -> Node:
        self.depth += 1
        if self.depth > _MOST_NESTED:
            raise PatternError("the pattern is nested too deeply")
        branches = [self._sequence()]
        while self._peek() == "|":
            self.position += 1
            branches.append(self._sequence())
        self.depth -= 1
        return branches[0] if len(branches) == 1 else ("alternatives", branches)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            if self.flags & VERBOSE and self._skipped():
                continue
            parts.append(self._repeated(self._atom()))
        return ("sequence", parts)

    def _skipped(self) -> bool:
        character = self._peek()
        if character == "#":
            end = self.pattern.find("\n", self.position)
            self.position = len(self.pattern) if end < 0 else end
            return True
        self.position += character.isspace()
        return character.isspace()

    def _repeated(self, node: Node) -> Node:
        bounds = {"*": (0, _UNBOUNDED), "+": (1, _UNBOUNDED), "?": (0, 1)}.get(self._peek())
        if bounds is not None:
            self.position += 1
        elif self._peek() == "{":
            bounds = self._bounds()
        if bounds is None:
            return node
        lazy = self._peek() == "?"
        self.position += lazy
        if self._peek() in ("*", "+", "?"):
            raise PatternError("multiple repeat")
        return ("repeat", node, *bounds, lazy)

    def _bounds(self) -> tuple[int, int] | None:
        end = self.pattern.find("}", self.position)
        low, comma, high = self.pattern[self.position + 1 : max(end, self.position + 1)].partition(",")
        if end < 0 or not (low + high).isdecimal() or len(low + high) > 8 or (low and not low.isdecimal()):
            return None  # a plain brace
        self.position = end + 1
        least = int(low or 0)
        most = int(high) if high else (_UNBOUNDED if comma else least)
        if most < least:
            raise PatternError("the repeat's bounds are the wrong way round")
        return least, most

    def _atom(self) -> Node:
        character = self._take()
        if character == "(":
            return self._group()
        if character == "[":
            return ("one", self._set())
        if character == ".":
            return ("one", (lambda c: True) if self.flags & DOTALL else (lambda c: c != "\n"))
        if character == "^":
            return ("at", "line" if self.flags & MULTILINE else "start")
        if character == "$":
            return ("at", "line-end" if self.flags & MULTILINE else "end")
        if character == "\\":
            return self._escape()
        if character in "*+?":
            raise PatternError("nothing to repeat")
        return ("one", self._literal(character))

    def _literal(self, character: str) -> Test:
        if self.flags & IGNORECASE:
            lower = character.lower()
            return lambda c: c.lower() == lower
        return lambda c: c == character

    def _escape(self) -> Node:
        character = self._take()
        if character in CLASSES:
            return ("one", CLASSES[character])
        if character in "AZzbB":
            kinds = {"A": "start", "Z": "very-end", "z": "very-end", "b": "word", "B": "no-word"}
            return ("at", kinds[character])
        if character in "123456789":
            return ("again", int(character))
        if character == "x":
            return ("one", self._literal(self._hexadecimal()))
        return ("one", self._literal(_ESCAPES.get(character, character)))

    def _hexadecimal(self) -> str:
        digits = self._take() + self._take()
        try:
            return chr(int(digits, 16))
        except ValueError:
            raise PatternError("\\x needs two hexadecimal digits") from None

    def _set(self) -> Test:
        negated = self._peek() == "^"
        self.position += negated
        tests: list[Test] = []
        first = True
        while first or self._peek() != "]":
            first = False
            tests.append(self._member())
        self.position += 1
        fold = bool(self.flags & IGNORECASE)

        def test(c: str) -> bool:
            found = any(t(c) for t in tests) or (
                fold and any(t(c.swapcase()) for t in tests if len(c.swapcase()) == 1)
            )
            return found is not negated

        return test

    def _member(self) -> Test:
        low = self._member_character()
        if not isinstance(low, str):
            return low
        if self._peek() == "-" and self.pattern[self.position + 1 : self.position + 2] not in ("]", ""):
            self.position += 1
            high = self._member_character()
            if not isinstance(high, str) or high < low:
                raise PatternError("bad character range")
            return lambda c: low <= c <= high
        return lambda c: c == low

    def _member_character(self) -> str | Test:
        character = self._take()
        if character != "\\":
            return character
        character = self._take()
        if character in CLASSES:
            return CLASSES[character]
        if character == "x":
            return self._hexadecimal()
        return "\b" if character == "b" else _ESCAPES.get(character, character)

    def _group(self) -> Node:
        kind = "capture"
        if self._peek() == "?":
            kind = self._group_kind()
        index = 0
        if kind == "capture" or kind.startswith("name:"):
            self.groups += 1
            index = self.groups
            if kind.startswith("name:"):
                self.names[kind[5:]] = index
        node = self._alternatives()
        if self._take() != ")":
            raise PatternError("missing )")
        if index:
            return ("group", index, node)
        return node if kind == ":" else ("look", node, kind == "!")

    def _group_kind(self) -> str:
        self.position += 1
        character = self._take()
        if character in ":=!":
            return character
        if character == "P" and self._peek() == "<":
            end = self.pattern.find(">", self.position)
            name = self.pattern[self.position + 1 : max(end, self.position + 1)]
            if end < 0 or not name.isidentifier():
                raise PatternError("bad group name")
            self.position = end + 1
            return f"name:{name}"
        raise Refused(f"configuration files may not use (?{character} in regular expressions")
