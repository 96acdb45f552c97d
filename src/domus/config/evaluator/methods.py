"""Methods of values; the tables are complete, there are no others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any, Final

from domus.config.evaluator.budget import MOST_ITEMS
from domus.config.evaluator.formatting import braces
from domus.config.evaluator.values import Value, hashable, items, kind, weigh

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

Method = Callable[..., Value]


def _plain(name: str, *, grows: int = 1, most: int = 4) -> Method:
    """A method of str that makes at most `grows` times its text, from short arguments."""

    def method(machine: Machine, value: str, *arguments: Any, **keywords: Any) -> Value:
        if len(arguments) > most:
            raise TypeError(f"{name}() takes at most {most} arguments")
        for argument in arguments:
            if isinstance(argument, str):
                machine.budget.text(len(argument))
        machine.budget.text(len(value) * grows)
        result = getattr(str, name)(value, *arguments, **keywords)
        if isinstance(result, list | tuple):
            machine.budget.items(len(result))
        return result

    return method


def _padded(name: str) -> Method:
    def method(machine: Machine, value: str, width: Value, fill: str = " ") -> Value:
        machine.budget.text(max(len(value), width))
        if name == "zfill":
            return value.zfill(width)
        return getattr(str, name)(value, width, fill)

    return method


def _expandtabs(machine: Machine, value: str, size: int = 8) -> str:
    machine.budget.text(len(value) + value.count("\t") * max(0, size))
    return value.expandtabs(size)


def _replace(machine: Machine, value: str, old: str, new: str, count: int = -1) -> str:
    found = value.count(old)
    times = found if count < 0 else min(found, count)
    machine.budget.text(len(value) + times * max(0, len(new) - len(old)))
    return value.replace(old, new, count)


def join(machine: Machine, value: str, parts: Value) -> str:
    """`value.join(parts)`."""
    texts = items(machine.budget, parts)
    for index, part in enumerate(texts):
        if not isinstance(part, str):
            raise TypeError(f"join needs strings, item {index} is {kind(part)}")
    machine.budget.text(sum(map(len, texts)) + len(value) * max(0, len(texts) - 1))
    return value.join(texts)


def _format(machine: Machine, value: str, *arguments: Value, **keywords: Value) -> str:
    return braces(machine.budget, value, arguments, keywords)


def _decoded(machine: Machine, value: str, encoding: str = "", errors: str = "") -> str:
    return value  # text is text here: Python 2's str and unicode are one


def _append(machine: Machine, value: list[Value], item: Value) -> None:
    machine.budget.items(1)
    _room(machine, value, 1)
    value.append(item)


def _extend(machine: Machine, value: list[Value], more: Value) -> None:
    added = items(machine.budget, more)
    _room(machine, value, len(added))
    value.extend(added)


def _insert(machine: Machine, value: list[Value], index: int, item: Value) -> None:
    _room(machine, value, 1)
    machine.budget.step(len(value) >> 6)
    value.insert(index, item)


def _room(machine: Machine, value: list[Value], count: int) -> None:
    if len(value) + count > MOST_ITEMS:
        machine.budget.items(len(value) + count)


def _compared(name: str) -> Method:
    """A method of list or tuple that compares an item with all others."""

    def method(machine: Machine, value: Value, item: Value) -> Value:
        weigh(machine.budget, value)
        weigh(machine.budget, item)
        return getattr(type(value), name)(value, item)

    return method


def _sort(
    machine: Machine, value: list[Value], cmp: Value = None, key: Value = None, reverse: bool = False
) -> None:
    value[:] = ordered(machine, value, cmp, key, reverse)


def ordered(
    machine: Machine, value: Value, cmp: Value = None, key: Value = None, reverse: bool = False
) -> list[Value]:
    """`sorted(value)`, with Python 2's function that compares two items too."""
    found = items(machine.budget, value)
    keys = found if key is None else [machine.call(key, [item]) for item in found]
    machine.budget.step(weigh(machine.budget, keys) // 8 * max(1, len(keys).bit_length()) >> 2)
    if cmp is not None:
        keys = [_by(machine, cmp)(key) for key in keys]
    order = sorted(range(len(found)), key=keys.__getitem__, reverse=bool(reverse))
    return [found[index] for index in order]


def _by(machine: Machine, compare: Value) -> Callable[[Value], Any]:
    """Keys that are compared by a function of the file."""

    def order(left: Value, right: Value) -> int:
        machine.budget.step()
        said = machine.call(compare, [left, right])
        if not isinstance(said, int | float):
            raise TypeError("a comparison must give a number")
        return int(said > 0) - int(said < 0)

    return cmp_to_key(order)


def _list_method(name: str, grows: int = 0) -> Method:
    def method(machine: Machine, value: Value, *arguments: Value) -> Value:
        machine.budget.items(len(value) * grows)
        machine.budget.step(len(value) >> 6)
        return getattr(type(value), name)(value, *arguments)

    return method


def _get(machine: Machine, value: dict[Value, Value], key: Value, default: Value = None) -> Value:
    return value.get(hashable(machine.budget, key), default)


def _setdefault(machine: Machine, value: dict[Value, Value], key: Value, default: Value = None) -> Value:
    machine.budget.items(1)
    return value.setdefault(hashable(machine.budget, key), default)


def _pop(machine: Machine, value: dict[Value, Value], key: Value, *default: Value) -> Value:
    return value.pop(hashable(machine.budget, key), *default)


def _update(machine: Machine, value: dict[Value, Value], more: Value = None, **keywords: Value) -> None:
    if more is not None and not isinstance(more, dict):
        raise TypeError("update needs a dict")
    machine.budget.items(len(value) + len(more or ()) + len(keywords))
    value.update(more or {})
    value.update(keywords)


def _has_key(machine: Machine, value: dict[Value, Value], key: Value) -> bool:
    return hashable(machine.budget, key) in value


def _view(name: str) -> Method:
    def method(machine: Machine, value: dict[Value, Value]) -> list[Value]:
        machine.budget.items(len(value))
        return list(getattr(dict, name)(value))

    return method


def _copy_dict(machine: Machine, value: dict[Value, Value]) -> dict[Value, Value]:
    machine.budget.items(len(value))
    return dict(value)


def _add(machine: Machine, value: set[Value], item: Value) -> None:
    machine.budget.items(1)
    value.add(hashable(machine.budget, item))


def _of_sets(name: str) -> Method:
    def method(machine: Machine, value: set[Value], *others: Value) -> Value:
        members = [
            {hashable(machine.budget, item) for item in items(machine.budget, other)} for other in others
        ]
        machine.budget.items(len(value) + sum(map(len, members)))
        return getattr(set, name)(value, *members)

    return method


_TEXT: Final[dict[str, Method]] = {
    **{
        name: _plain(name)
        for name in [
            "capitalize",
            "count",
            "endswith",
            "find",
            "index",
            "isalnum",
            "isalpha",
            "isdecimal",
            "isdigit",
            "islower",
            "isnumeric",
            "isspace",
            "istitle",
            "isupper",
            "lower",
            "lstrip",
            "partition",
            "removeprefix",
            "removesuffix",
            "rfind",
            "rindex",
            "rpartition",
            "rsplit",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
            "strip",
            "swapcase",
            "title",
            "upper",
            "casefold",
        ]
    },
    **{name: _padded(name) for name in ("ljust", "rjust", "center", "zfill")},
    "expandtabs": _expandtabs,
    "replace": _replace,
    "join": join,
    "format": _format,
    "encode": _decoded,
    "decode": _decoded,
}
_SEQUENCE: Final[dict[str, Method]] = {"index": _compared("index"), "count": _compared("count")}
_LIST: Final[dict[str, Method]] = {
    **_SEQUENCE,
    "append": _append,
    "extend": _extend,
    "insert": _insert,
    "remove": _compared("remove"),
    "pop": _list_method("pop"),
    "reverse": _list_method("reverse"),
    "clear": _list_method("clear"),
    "copy": _list_method("copy", grows=1),
    "sort": _sort,
}
_DICT: Final[dict[str, Method]] = {
    "get": _get,
    "setdefault": _setdefault,
    "pop": _pop,
    "update": _update,
    "has_key": _has_key,
    "copy": _copy_dict,
    "clear": _list_method("clear"),
    **{name: _view(name) for name in ("keys", "values", "items")},
    **{f"iter{name}": _view(name) for name in ("keys", "values", "items")},
}
_SET: Final[dict[str, Method]] = {
    "add": _add,
    **{
        name: _of_sets(name)
        for name in [
            "union",
            "intersection",
            "difference",
            "symmetric_difference",
            "update",
            "issubset",
            "issuperset",
            "isdisjoint",
            "difference_update",
            "intersection_update",
        ]
    },
    "copy": _list_method("copy", grows=1),
}
_SET["discard"] = _SET["remove"] = lambda machine, value, item: value.discard(hashable(machine.budget, item))
_NUMBER: Final[dict[str, Method]] = {
    "bit_length": lambda machine, value: int(value).bit_length(),
    "is_integer": lambda machine, value: float(value).is_integer(),
}

METHODS: Final[list[tuple[type | tuple[type, ...], dict[str, Method]]]] = [
    (str, _TEXT),
    (list, _LIST),
    (dict, _DICT),
    (set, _SET),
    ((tuple, range), _SEQUENCE),
    ((int, float), _NUMBER),
]
