"""Built-in functions of configuration files, those of Python 2 included."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domus.config.evaluator.attributes import attribute
from domus.config.evaluator.formatting import format_value
from domus.config.evaluator.methods import join, ordered
from domus.config.evaluator.namespaces import NAMESPACES
from domus.config.evaluator.values import (
    EXCEPTIONS,
    Builtin,
    Facade,
    Function,
    Refused,
    Thrown,
    Value,
    hashable,
    items,
    kind,
    representation,
    text,
    weigh,
)

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine


def _int(machine: Machine, value: Value = 0, base: int = 10) -> int:
    if isinstance(value, str):
        machine.budget.step(len(value) >> 4)
        if base == 10 and value.strip()[-1:] in ("L", "l"):
            value = value.strip()[:-1]
        number: int = int(value, base)
        machine.budget.bits(number.bit_length())
        return number
    if not isinstance(value, int | float):
        raise TypeError(f"int() needs a number or a text, not {kind(value)}")
    return int(value)


def _float(machine: Machine, value: Value = 0.0) -> float:
    if not isinstance(value, int | float | str):
        raise TypeError(f"float() needs a number or a text, not {kind(value)}")
    return float(value)


def _str(machine: Machine, value: Value = "", *encoding: Value) -> str:
    return text(machine.budget, value)


def _print(
    machine: Machine, *values: Value, sep: Value = " ", end: Value = "\n", file: Value = None, **_: Value
) -> None:
    line = join(machine, " " if sep is None else sep, [text(machine.budget, value) for value in values])
    machine.output.append(line)


def _range(machine: Machine, *bounds: Value) -> range:
    whole = [int(b) if isinstance(b, float) and b.is_integer() else b for b in bounds]
    return range(*whole)


def _list(machine: Machine, value: Value = ()) -> list[Value]:
    return items(machine.budget, value)


def _tuple(machine: Machine, value: Value = ()) -> tuple[Value, ...]:
    return tuple(items(machine.budget, value))


def _set(machine: Machine, value: Value = ()) -> set[Value]:
    return {hashable(machine.budget, item) for item in items(machine.budget, value)}


def _dict(machine: Machine, value: Value = (), **named: Value) -> dict[Value, Value]:
    if isinstance(value, dict):
        machine.budget.items(len(value))
        return {**value, **named}
    made: dict[Value, Value] = {}
    for pair in items(machine.budget, value):
        key, item = items(machine.budget, pair)
        made[hashable(machine.budget, key)] = item
    return {**made, **named}


def _len(machine: Machine, value: Value) -> int:
    if not isinstance(value, str | list | tuple | dict | set | range):
        raise TypeError(f"{kind(value)} has no length")
    return len(value)


def _extreme(choose: Callable[..., Value]) -> Callable[..., Value]:
    def body(machine: Machine, *values: Value, key: Value = None, **default: Value) -> Value:
        found = items(machine.budget, values[0]) if len(values) == 1 else list(values)
        weigh(machine.budget, found)
        if not found and "default" in default:
            return default["default"]
        keys = found if key is None else [machine.call(key, [item]) for item in found]
        return found[choose(range(len(found)), key=keys.__getitem__)]

    return body


def _sum(machine: Machine, values: Value, start: Value = 0) -> Value:
    total = start
    for value in items(machine.budget, values):
        if not isinstance(value, int | float) or not isinstance(total, int | float):
            raise TypeError("sum() adds numbers only")
        total += value
    return total


def _map(machine: Machine, function: Value, *lists: Value) -> list[Value]:
    columns = [items(machine.budget, values) for values in lists]
    rows = zip(*columns, strict=False)
    if function is None:
        return [row[0] if len(row) == 1 else row for row in rows]
    return [machine.call(function, row) for row in rows]


def _filter(machine: Machine, function: Value, values: Value) -> list[Value]:
    return [
        item
        for item in items(machine.budget, values)
        if (item if function is None else machine.call(function, [item]))
    ]


def _reduce(machine: Machine, function: Value, values: Value, *start: Value) -> Value:
    found = [*start, *items(machine.budget, values)]
    if not found:
        raise TypeError("reduce() of an empty list needs a start")
    result = found[0]
    for item in found[1:]:
        result = machine.call(function, [result, item])
    return result


def _zip(machine: Machine, *lists: Value, strict: bool = False) -> list[Value]:
    return list(zip(*[items(machine.budget, values) for values in lists], strict=strict))


def _enumerate(machine: Machine, values: Value, start: int = 0) -> list[Value]:
    return list(enumerate(items(machine.budget, values), start))


def _reversed(machine: Machine, values: Value) -> list[Value]:
    return items(machine.budget, values)[::-1]


def _based(convert: Callable[[int], str]) -> Callable[..., Value]:
    return lambda machine, value: convert(value)


def _isinstance(machine: Machine, value: Value, wanted: Value) -> bool:
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    return any(_is(value, one) for one in kinds)


def _is(value: Value, wanted: Value) -> bool:
    if isinstance(wanted, type):
        return isinstance(value, wanted)
    if isinstance(wanted, Builtin):
        return isinstance(value, _TYPES.get(wanted.name, ()))
    raise TypeError("isinstance() needs a type")


def _type(machine: Machine, value: Value) -> Value:
    if isinstance(value, BaseException):
        return type(value)
    return machine.builtins.get(kind(value), kind(value))


def _round(machine: Machine, value: float, digits: int | None = None) -> Value:
    if digits is not None and not -400 < digits < 400:
        raise ValueError("round() takes at most 400 digits")
    return round(value, digits)


def _chr(machine: Machine, value: int) -> str:
    return chr(value)


def _ord(machine: Machine, value: str) -> int:
    return ord(value)


def _getattr(machine: Machine, value: Value, name: str, *default: Value) -> Value:
    try:
        return attribute(machine, value, name)
    except (Thrown, Refused):
        if not default or name.startswith("_"):
            raise
        return default[0]


def _hasattr(machine: Machine, value: Value, name: str) -> bool:
    try:
        attribute(machine, value, name)
    except (Thrown, Refused):
        return False
    return True


def _callable(machine: Machine, value: Value) -> bool:
    return isinstance(value, Function | Builtin)


def _cmp(machine: Machine, left: Value, right: Value) -> int:
    weigh(machine.budget, [left, right])
    return int(left > right) - int(left < right)


def _apply(machine: Machine, function: Value, arguments: Value = (), keywords: Value = None) -> Value:
    return machine.call(function, items(machine.budget, arguments), keywords or {})


def _execfile(machine: Machine, path: Value, *scopes: Value) -> None:
    from domus.config.evaluator.include import execute_file

    execute_file(machine, path, *scopes)


def _refused(name: str, hint: str) -> Builtin:
    def body(machine: Machine, *arguments: Value, **keywords: Value) -> Value:
        raise Refused(f"configuration files may not use {name}()", hint)

    return Builtin(name, body)


_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "int": int,
    "long": int,
    "float": float,
    "str": str,
    "unicode": str,
    "basestring": str,
    "bool": bool,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "set": set,
}

_FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "abs": lambda machine, value: abs(value),
    "all": lambda machine, values: all(items(machine.budget, values)),
    "any": lambda machine, values: any(items(machine.budget, values)),
    "apply": _apply,
    "bin": _based(bin),
    "bool": lambda machine, value=False: bool(value),
    "callable": _callable,
    "chr": _chr,
    "cmp": _cmp,
    "dict": _dict,
    "divmod": lambda machine, left, right: divmod(left, right),
    "enumerate": _enumerate,
    "execfile": _execfile,
    "filter": _filter,
    "float": _float,
    "format": lambda machine, value, specification="": format_value(machine.budget, value, specification),
    "getattr": _getattr,
    "hasattr": _hasattr,
    "hex": _based(hex),
    "int": _int,
    "isinstance": _isinstance,
    "len": _len,
    "list": _list,
    "long": _int,
    "map": _map,
    "max": _extreme(max),
    "min": _extreme(min),
    "oct": _based(oct),
    "ord": _ord,
    "print": _print,
    "range": _range,
    "reduce": _reduce,
    "repr": lambda machine, value: representation(machine.budget, value),
    "reversed": _reversed,
    "round": _round,
    "set": _set,
    "frozenset": _set,
    "sorted": ordered,
    "str": _str,
    "sum": _sum,
    "tuple": _tuple,
    "type": _type,
    "unichr": _chr,
    "unicode": _str,
    "basestring": _str,
    "xrange": _range,
    "zip": _zip,
}

_ADVICE: Final[dict[str, str]] = {
    "open": "give the value on the command line as NAME=VALUE instead of reading it from a file",
    "file": "give the value on the command line as NAME=VALUE instead of reading it from a file",
    "eval": "write the expression itself",
    "exec": "write the statements themselves",
    "compile": "write the statements themselves",
    "__import__": "use import",
    "input": "ask on the command line: NAME=VALUE",
    "raw_input": "ask on the command line: NAME=VALUE",
    "setattr": "use a dict",
    "delattr": "use a dict",
    "reload": "",
    "id": "",
    "super": "",
    "object": "use a dict",
    "memoryview": "",
    "iter": "use a list",
    "next": "use a list",
}

BUILTINS: Final[dict[str, Value]] = {
    **{name: Builtin(name, body) for name, body in _FUNCTIONS.items()},
    **{name: _refused(name, hint) for name, hint in _ADVICE.items()},
    **NAMESPACES,
    **EXCEPTIONS,
    "None": None,
    "True": True,
    "False": False,
    "__name__": "__main__",
    "__debug__": True,
    "__builtins__": Facade("__builtins__", {}),
}
