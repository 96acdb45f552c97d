"""Where values are stored: names, items, slices, several of them at once."""

from __future__ import annotations

import ast
import operator
from typing import Final

from domus.config.evaluator.machine import Machine
from domus.config.evaluator.values import Names, Refused, Value, hashable, items


def bounds(machine: Machine, node: ast.Slice) -> slice:
    """The bounds of a slice."""
    start, stop, step = (
        None if part is None else operator.index(machine.evaluate(part))
        for part in (node.lower, node.upper, node.step)
    )
    return slice(start, stop, step)


_UNPACKED: Final = (list, tuple, str, dict, set, range)


def assign(machine: Machine, target: ast.expr, value: Value, origin: ast.AST | None = None) -> None:
    """Store a value: in a name, an item, a slice, or spread over several of them."""
    if isinstance(target, ast.Name):
        machine.bind(target.id, value, origin or target)
    elif isinstance(target, ast.Subscript):
        _store_item(machine, target, value)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(machine, target.elts, value)
    elif isinstance(target, ast.Attribute):
        holder = machine.evaluate(target.value)
        raise Refused(
            f"an attribute cannot be set ({target.attr} of {type(holder).__name__.lower()})", node=target
        )
    else:
        raise Refused("this cannot be assigned to", node=target)


def _unpack(machine: Machine, targets: list[ast.expr], value: Value) -> None:
    if not isinstance(value, _UNPACKED):
        raise TypeError("only lists and tuples can be spread over several names")
    values = items(machine.budget, value)
    starred = [place for place, target in enumerate(targets) if isinstance(target, ast.Starred)]
    if starred:
        first, rest = starred[0], len(targets) - starred[0] - 1
        if len(values) < len(targets) - 1:
            raise ValueError(f"needs at least {len(targets) - 1} values, got {len(values)}")
        values[first : len(values) - rest] = [values[first : len(values) - rest]]
    if len(values) != len(targets):
        raise ValueError(f"needs {len(targets)} values, got {len(values)}")
    for target, item in zip(targets, values, strict=True):
        assign(machine, target.value if isinstance(target, ast.Starred) else target, item)


def _store_item(machine: Machine, target: ast.Subscript, value: Value) -> None:
    holder = machine.evaluate(target.value)
    if isinstance(target.slice, ast.Slice) and isinstance(holder, list):
        values = items(machine.budget, value)
        machine.budget.items(len(holder) + len(values))
        holder[bounds(machine, target.slice)] = values
    elif isinstance(holder, list):
        machine.said(value, target)
        holder[machine.evaluate(target.slice)] = value
    elif isinstance(holder, Names):
        raise Refused("a name cannot be set in globals() or locals()", "write NAME = VALUE", target)
    elif isinstance(holder, dict):
        machine.budget.items(1)
        holder[hashable(machine.budget, machine.evaluate(target.slice))] = value
    else:
        raise TypeError("items can be set in lists and dicts only")
