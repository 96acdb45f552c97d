"""The three ways of formatting text: `'%02x' % n`, `'{}'.format(n)` and f'{n:02x}', with bounded widths."""

from __future__ import annotations

import re
from typing import Final

from domus.config.evaluator.budget import MOST_WIDTH, Budget, OverBudget
from domus.config.evaluator.values import Refused, Value, representation, text

_PERCENT: Final = re.compile(r"%(?:\(([^()]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([hlL]?)(.|$)", re.DOTALL)
_SPECIFICATION: Final = re.compile(
    r"(?:.?[<>=^])?[-+ ]?z?#?0?(\d*)[_,]?(?:\.(\d+))?([bcdeEfFgGnosxX%]?)", re.DOTALL
)
_FIELD: Final = re.compile(r"([^.\[\]!:{}]*)((?:\[[^\]]*\]|\.[^.\[!:]*)*)(?:!([rsa]))?(?::(.*))?", re.DOTALL)


def percent(budget: Budget, pattern: str, values: Value) -> str:
    """`pattern % values`."""
    budget.text(len(pattern))
    supply = _Supply(values)
    parts: list[str] = []
    position = 0
    for match in _PERCENT.finditer(pattern):
        parts.append(pattern[position : match.start()])
        position = match.end()
        parts.append("%" if match[6] == "%" else _percent_field(budget, match, supply))
        budget.step()
        budget.text(len(parts[-1]))
    parts.append(pattern[position:])
    supply.check()
    made = "".join(parts)
    budget.text(len(made))
    return made


class _Supply:
    """The values of a % format, taken in order or by name."""

    def __init__(self, values: Value) -> None:
        self.values = values
        self.ordered: list[Value] = list(values) if isinstance(values, tuple) else [values]
        self.taken = 0
        self.named = False

    def next(self) -> Value:
        if self.taken >= len(self.ordered):
            raise TypeError("not enough values for the % format")
        self.taken += 1
        return self.ordered[self.taken - 1]

    def named_value(self, name: str) -> Value:
        if not isinstance(self.values, dict):
            raise TypeError("a % format with names needs a dict")
        self.named = True
        return self.values[name]

    def check(self) -> None:
        if self.taken < len(self.ordered) and not self.named and not isinstance(self.values, dict):
            raise TypeError("too many values for the % format")


def _percent_field(budget: Budget, match: re.Match[str], supply: _Supply) -> str:
    name, flags, width, precision, _, conversion = match.groups()
    if not conversion:
        raise ValueError("the % format is incomplete")
    width = _star(supply, width)
    precision = _star(supply, precision)
    if precision is None and "." in match[0]:
        precision = "0"
    _check_width(width, precision)
    value = supply.next() if name is None else supply.named_value(name)
    specification = f"%{flags}{width or ''}{'' if precision is None else '.' + precision}"
    if conversion in "sra":
        shown = text(budget, value) if conversion == "s" else representation(budget, value)
        return f"{specification}s" % shown
    if conversion == "c" and isinstance(value, int | str):
        return f"{specification}c" % value
    if conversion in "dioxXu" and isinstance(value, int | float):
        number = int(value) if isinstance(value, float) else value
        return f"{specification}{'d' if conversion == 'u' else conversion}" % number
    if conversion in "eEfFgG" and isinstance(value, int | float):
        return f"{specification}{conversion}" % value
    if conversion in "cdiouxXeEfFgG":
        raise TypeError(f"%{conversion} needs a number, not {representation(budget, value)[:40]}")
    raise ValueError(f"there is no %{conversion} format")


def _star(supply: _Supply, given: str | None) -> str | None:
    if given != "*":
        return given
    value = supply.next()
    if not isinstance(value, int):
        raise TypeError("* needs a whole number")
    return str(min(max(value, -MOST_WIDTH - 1), MOST_WIDTH + 1))


def _check_width(*widths: str | None) -> None:
    for width in widths:
        if width and (len(width) > 6 or abs(int(width)) > MOST_WIDTH):
            raise OverBudget("a field that wide is too large for a configuration")


def format_value(budget: Budget, value: Value, specification: str) -> str:
    """`format(value, specification)`."""
    if not specification:
        return text(budget, value)
    match = _SPECIFICATION.fullmatch(specification)
    if match is None:
        raise ValueError(f"invalid format {specification[:40]!r}")
    _check_width(match[1], match[2])
    if not isinstance(value, int | float | str):
        value = text(budget, value)
    made = format(value, specification)
    budget.text(len(made))
    return made


def braces(budget: Budget, pattern: str, ordered: tuple[Value, ...], named: dict[str, Value]) -> str:
    """`pattern.format(*ordered, **named)`; a field may index, but has no attributes."""
    budget.text(len(pattern))
    parts: list[str] = []
    position = count = 0
    while position < len(pattern):
        budget.step()
        start = min(
            (i for i in (pattern.find("{", position), pattern.find("}", position)) if i >= 0), default=-1
        )
        if start < 0:
            break
        parts.append(pattern[position:start])
        if pattern[start : start + 2] in ("{{", "}}"):
            parts.append(pattern[start])
            position = start + 2
            continue
        end = pattern.find("}", start)
        if pattern[start] == "}" or end < 0:
            raise ValueError("a single { or } in the format (write it twice)")
        field = _FIELD.fullmatch(pattern[start + 1 : end])
        if field is None:
            raise ValueError(f"invalid field {pattern[start : end + 1][:40]}")
        value, count = _field_value(field, ordered, named, count)
        if field[3]:
            value = text(budget, value) if field[3] == "s" else representation(budget, value)
        parts.append(format_value(budget, value, field[4] or ""))
        position = end + 1
    parts.append(pattern[position:])
    budget.text(sum(map(len, parts)))
    return "".join(parts)


def _field_value(
    field: re.Match[str], ordered: tuple[Value, ...], named: dict[str, Value], count: int
) -> tuple[Value, int]:
    name = field[1]
    if not name:
        name, count = str(count), count + 1
    value: Value
    if name.isdecimal():
        if len(name) > 6 or int(name) >= len(ordered):
            raise IndexError("not enough values for the format")
        value = ordered[int(name)]
    elif name in named:
        value = named[name]
    else:
        raise KeyError(name)
    for index in re.findall(r"\[([^\]]*)\]|\.([^.\[]*)", field[2]):
        if index[1] or not index[0]:
            raise Refused("fields of a format have no attributes", "format the value itself")
        value = _indexed(value, index[0])
    return value, count


def _indexed(value: Value, index: str) -> Value:
    if isinstance(value, list | tuple) and index.isdecimal() and len(index) < 7:
        return value[int(index)]
    if isinstance(value, dict):
        return value[index]
    raise TypeError(f"cannot index with {index[:40]!r}")
