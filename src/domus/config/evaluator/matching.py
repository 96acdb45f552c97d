"""Facade of re."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from domus.config.evaluator.matcher import Matcher
from domus.config.evaluator.patterns import (
    DOTALL,
    IGNORECASE,
    MULTILINE,
    VERBOSE,
    Node,
    Parser,
    PatternError,
)
from domus.config.evaluator.system import functions
from domus.config.evaluator.values import Facade, Value

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine


class Pattern(NamedTuple):
    """A compiled pattern."""

    node: Node
    flags: int
    groups: int
    names: dict[str, int]


class Match(NamedTuple):
    """A match: the text, and where each group stands in it."""

    text: str
    spans: dict[int, tuple[int, int]]
    pattern: Pattern

    def group(self, which: Value = 0) -> str | None:
        """The text of a group; None: it took no part."""
        index = self.pattern.names.get(which) if isinstance(which, str) else which
        if not isinstance(index, int) or not 0 <= index <= self.pattern.groups:
            raise IndexError("no such group")
        if index not in self.spans:
            return None
        start, end = self.spans[index]
        return self.text[start:end]


def _compiled(machine: Machine, pattern: str, flags: int = 0) -> Pattern:
    if not isinstance(pattern, str):
        raise TypeError("a pattern must be a string")
    machine.budget.step(len(pattern))
    parser = Parser(pattern, flags)
    node = parser.parse()
    return Pattern(node, parser.flags, parser.groups, parser.names)


def _matches(machine: Machine, pattern: Pattern, text: str) -> Iterator[Match]:
    """All matches that do not overlap, from left to right."""
    if not isinstance(text, str):
        raise TypeError("only strings can be searched")
    matcher = Matcher(machine.budget, pattern.node, pattern.flags, text)
    position = 0
    while position <= len(text):
        machine.budget.step()
        end = matcher.at(position)
        if end is None:
            position += 1
            continue
        yield Match(text, {0: (position, end), **matcher.spans}, pattern)
        position = end if end > position else end + 1


def _anchored(machine: Machine, pattern: Pattern, text: str, *, whole: bool) -> Match | None:
    if not isinstance(text, str):
        raise TypeError("only strings can be searched")
    matcher = Matcher(machine.budget, pattern.node, pattern.flags, text)
    end = matcher.at(0, whole=whole)
    return None if end is None else Match(text, {0: (0, end), **matcher.spans}, pattern)


def _search(machine: Machine, pattern: Pattern, text: str) -> Value:
    return _shown(next(_matches(machine, pattern, text), None))


def _match(machine: Machine, pattern: Pattern, text: str) -> Value:
    return _shown(_anchored(machine, pattern, text, whole=False))


def _fullmatch(machine: Machine, pattern: Pattern, text: str) -> Value:
    return _shown(_anchored(machine, pattern, text, whole=True))


def _findall(machine: Machine, pattern: Pattern, text: str) -> list[Value]:
    found: list[Value] = []
    for match in _matches(machine, pattern, text):
        machine.budget.items(1)
        groups = tuple(match.group(index) or "" for index in range(1, pattern.groups + 1))
        found.append(match.group() if not groups else groups[0] if len(groups) == 1 else groups)
    return found


def _split(machine: Machine, pattern: Pattern, text: str, most: int = 0) -> list[Value]:
    parts: list[Value] = []
    position = 0
    for match in _matches(machine, pattern, text):
        start, end = match.spans[0]
        machine.budget.items(1 + pattern.groups)
        parts.append(text[position:start])
        parts.extend(match.group(index) for index in range(1, pattern.groups + 1))
        position = end
        if most and len(parts) >= most * (1 + pattern.groups):
            break
    return [*parts, text[position:]]


def _sub(machine: Machine, pattern: Pattern, replacement: Value, text: str, count: int = 0) -> str:
    parts: list[str] = []
    position = 0
    for done, match in enumerate(_matches(machine, pattern, text)):
        if count and done >= count:
            break
        start, end = match.spans[0]
        new = _expanded(replacement, match) if isinstance(replacement, str) else None
        if new is None:
            new = str(machine.call(replacement, [_shown(match)]))
        parts += [text[position:start], new]
        machine.budget.text(len(parts[-1]) + len(parts[-2]))
        position = end
    parts.append(text[position:])
    machine.budget.text(sum(map(len, parts)))
    return "".join(parts)


def _expanded(replacement: str, match: Match) -> str:
    def expand(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        return match.group(int(name) if name.isdecimal() else name) or ""

    return re.sub(r"\\(?:([0-9])|g<(\w+)>)", expand, replacement)


def _shown(match: Match | None) -> Value:
    """A match as files see it."""
    if match is None:
        return None

    def group(machine: Machine, *which: Value) -> Value:
        found = tuple(match.group(one) for one in which or (0,))
        return found[0] if len(found) == 1 else found

    def span(which: Value = 0) -> tuple[int, int]:
        index = match.pattern.names.get(which, -1) if isinstance(which, str) else which
        return match.spans.get(index, (-1, -1))

    return Facade(
        "match",
        functions(
            group=group,
            groups=lambda machine, default=None: tuple(
                default if (text := match.group(index)) is None else text
                for index in range(1, match.pattern.groups + 1)
            ),
            groupdict=lambda machine: {name: match.group(name) for name in match.pattern.names},
            start=lambda machine, which=0: span(which)[0],
            end=lambda machine, which=0: span(which)[1],
            span=lambda machine, which=0: span(which),
        ),
    )


_FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "search": _search,
    "match": _match,
    "fullmatch": _fullmatch,
    "findall": _findall,
    "split": _split,
    "sub": _sub,
}


def re_module(machine: Machine) -> Facade:
    """`re`."""

    def direct(name: str) -> Value:
        def body(machine: Machine, pattern: Value, *arguments: Value, flags: int = 0) -> Value:
            most = {"sub": 3, "split": 2}.get(name, 1)
            if len(arguments) > most:
                *arguments_, flags = arguments
                arguments = tuple(arguments_)
            return _FUNCTIONS[name](machine, _pattern(machine, pattern, flags), *arguments)

        return body

    def compiled(machine: Machine, pattern: str, flags: int = 0) -> Facade:
        return _pattern_object(_compiled(machine, pattern, flags))

    return Facade(
        "re",
        {
            "I": IGNORECASE, "IGNORECASE": IGNORECASE, "M": MULTILINE, "MULTILINE": MULTILINE,
            "S": DOTALL, "DOTALL": DOTALL, "X": VERBOSE, "VERBOSE": VERBOSE, "error": PatternError,
            **functions(
                **{name: direct(name) for name in _FUNCTIONS},
                compile=compiled,
                escape=lambda machine, text: _escaped(machine, text),
            ),
        },
    )  # fmt: skip


def _escaped(machine: Machine, text: str) -> str:
    machine.budget.text(2 * len(text))
    return re.escape(text)


class PatternObject(Facade):
    """A compiled pattern as files see it."""

    pattern: Pattern


def _pattern_object(pattern: Pattern) -> PatternObject:
    def on_pattern(name: str) -> Value:
        return lambda machine, *arguments: _FUNCTIONS[name](machine, pattern, *arguments)

    made = PatternObject("pattern", functions(**{name: on_pattern(name) for name in _FUNCTIONS}))
    made.pattern = pattern
    return made


def _pattern(machine: Machine, pattern: Value, flags: int) -> Pattern:
    return pattern.pattern if isinstance(pattern, PatternObject) else _compiled(machine, pattern, flags)
