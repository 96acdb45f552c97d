"""Operators, each with the check that its result fits the budget before it is computed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from domus.config.evaluator.formatting import percent
from domus.config.evaluator.values import CONTAINERS, Refused, Thrown, Value, hashable, kind, weigh

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

_SEQUENCES: Final = (str, list, tuple)


def binary(machine: Machine, operation: ast.operator, left: Value, right: Value, node: ast.AST) -> Value:
    """`left OP right`."""
    budget = machine.budget
    if isinstance(operation, ast.Mod) and isinstance(left, str):
        return percent(budget, left, right)
    if isinstance(operation, ast.Add) and isinstance(left, _SEQUENCES):
        return _joined(machine, left, right)
    if isinstance(operation, ast.Mult) and (isinstance(left, _SEQUENCES) or isinstance(right, _SEQUENCES)):
        return _repeated(machine, left, right)
    if isinstance(left, set) and isinstance(right, set):
        return _of_sets(machine, operation, left, right)
    if isinstance(left, dict) and isinstance(right, dict) and isinstance(operation, ast.BitOr):
        budget.items(len(left) + len(right))
        return left | right
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise TypeError(
            f"{_SIGNS.get(type(operation), 'this')} does not go with {kind(left)} and {kind(right)}"
        )
    return _arithmetic(machine, operation, left, right, node)


def _arithmetic(machine: Machine, operation: ast.operator, left: float, right: float, node: ast.AST) -> Value:
    whole = isinstance(left, int) and isinstance(right, int)
    if isinstance(operation, ast.Div) and whole:
        return _divided(machine, int(left), int(right), node)
    if isinstance(operation, ast.Pow):
        return _power(machine, left, right)
    if isinstance(operation, ast.LShift) and whole:
        machine.budget.bits(int(left).bit_length() + max(0, int(right)))
    compute = _ARITHMETIC.get(type(operation))
    if compute is None:
        raise Refused("configuration files may not use this operator")
    result = compute(left, right)
    if isinstance(result, int):
        machine.budget.bits(result.bit_length())
    return result


def _divided(machine: Machine, left: int, right: int, node: ast.AST) -> int:
    # xm was Python 2, where whole numbers divide to whole numbers: `memory = 1024 / 2` must be 512.
    result, rest = divmod(left, right)
    if rest and not machine.python2:
        machine.doubt(
            f"{left} / {right} is {result} here, as in the Python 2 that xm was",
            node,
            "write // to say so, or a decimal number such as 2.0 for a fraction",
        )
    return result


def _power(machine: Machine, left: float, right: float) -> Value:
    if isinstance(left, int) and isinstance(right, int) and right >= 0:
        machine.budget.bits(max(1, left.bit_length()) * right if abs(left) > 1 else 1)
    result = left**right
    if isinstance(result, complex):
        raise ValueError("the result is not a real number")
    return result


def _joined(machine: Machine, left: Value, right: Value) -> Value:
    budget = machine.budget
    if isinstance(left, str) and isinstance(right, str):
        budget.text(len(left) + len(right))
        return left + right
    for sequence in (list, tuple):
        if isinstance(left, sequence) and isinstance(right, sequence):
            budget.items(len(left) + len(right))
            return sequence((*left, *right))
    raise TypeError(f"cannot join {kind(left)} and {kind(right)}{_advice(left, right)}")


def _advice(left: Value, right: Value) -> str:
    if isinstance(left, str) and isinstance(right, int | float):
        return " (write str(...) around the number)"
    if isinstance(left, list) and isinstance(right, str):
        return " (write [...] around the text)"
    return ""


def _repeated(machine: Machine, left: Value, right: Value) -> Value:
    sequence, count = (left, right) if isinstance(left, _SEQUENCES) else (right, left)
    if not isinstance(count, int):
        raise TypeError(f"cannot repeat {kind(sequence)} {kind(count)} times")
    times = max(0, count)
    if isinstance(sequence, str):
        machine.budget.text(len(sequence) * times)
    else:
        machine.budget.items(len(sequence) * times)
    return cast(Value, sequence * times)


def _of_sets(machine: Machine, operation: ast.operator, left: set[Value], right: set[Value]) -> Value:
    machine.budget.items(len(left) + len(right))
    compute = _SETS.get(type(operation))
    if compute is None:
        raise TypeError("sets can be combined with | & - and ^ only")
    return compute(left, right)


def compare(machine: Machine, operation: ast.cmpop, left: Value, right: Value) -> bool:
    """`left OP right` as a truth value."""
    budget = machine.budget
    budget.step(1)
    if isinstance(operation, ast.Is | ast.IsNot):
        same = left is right or (isinstance(left, int | str) and type(left) is type(right) and left == right)
        return same is isinstance(operation, ast.Is)
    for value in (left, right):
        if isinstance(value, (str, *CONTAINERS)):
            weigh(budget, value)
    if isinstance(operation, ast.In | ast.NotIn):
        return _contains(machine, right, left) is isinstance(operation, ast.In)
    if isinstance(operation, ast.Eq):
        return bool(left == right)
    if isinstance(operation, ast.NotEq):
        return bool(left != right)
    ordered = _ORDERED[type(operation)]
    try:
        return bool(ordered(left, right))
    except TypeError:
        if not machine.python2:
            raise Thrown(TypeError(f"cannot order {kind(left)} and {kind(right)}")) from None
        return bool(ordered(_python2_rank(left), _python2_rank(right)))


def _contains(machine: Machine, holder: Value, value: Value) -> bool:
    if isinstance(holder, str):
        if not isinstance(value, str):
            raise TypeError(f"a string cannot contain {kind(value)}")
        machine.budget.step(len(holder) >> 6)
        return value in holder
    if isinstance(holder, dict | set):
        return hashable(machine.budget, value) in holder
    if isinstance(holder, range):
        return isinstance(value, int) and value in holder
    if isinstance(holder, list | tuple):
        return value in holder
    raise TypeError(f"{kind(holder)} cannot contain anything")


def _python2_rank(value: Value) -> tuple[int, str]:
    """Python 2's order of unlike types: None, numbers, then by the name of the type."""
    if value is None:
        return 0, ""
    return (1, "") if isinstance(value, int | float) else (2, kind(value))


def item_of(machine: Machine, holder: Value, key: Value) -> Value:
    """`holder[key]`."""
    if isinstance(holder, dict):
        name = hashable(machine.budget, key)
        if name not in holder:
            raise KeyError(key if isinstance(key, str | int) else kind(key))
        return holder[name]
    if not isinstance(holder, str | list | tuple | range):
        raise TypeError(f"{kind(holder)} has no items")
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    if not isinstance(key, int):
        raise TypeError(f"an index must be a whole number, not {kind(key)}")
    if not -len(holder) <= key < len(holder):
        raise IndexError(f"there is no item {key} in {len(holder)}")
    return holder[key]


def slice_of(machine: Machine, holder: Value, bounds: slice) -> Value:
    """`holder[a:b:c]`."""
    if isinstance(holder, str):
        machine.budget.text(len(holder))
        return holder[bounds]
    if isinstance(holder, list | tuple):
        machine.budget.items(len(holder))
        part = holder[bounds]
        return tuple(part) if isinstance(holder, tuple) else part
    if isinstance(holder, range):
        return holder[bounds]
    raise TypeError(f"{kind(holder)} has no items")


_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Value, Value], Value]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
_SETS: Final[dict[type[ast.operator], Callable[[set[Value], set[Value]], set[Value]]]] = {
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.Sub: operator.sub,
    ast.BitXor: operator.xor,
}
_ORDERED: Final[dict[type[ast.cmpop], Callable[[Value, Value], Value]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SIGNS: Final[dict[type[ast.operator], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.BitXor: "^",
}
