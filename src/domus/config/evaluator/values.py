"""What a configuration file can compute with, and what it can do to each kind of value.

A value is None, bool, int, float, str, list, tuple, dict, set, range, an exception, or one of the
classes below. Nothing else ever enters the evaluator, and an attribute exists only if a table says so:
there is no way from a value to Python's own insides.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

from domus.config.evaluator.budget import Budget

Value = Any


class Thrown(Exception):
    """An exception of the script, on its way to a handler of the script."""

    def __init__(self, error: BaseException, node: ast.AST | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.node = node


class Refused(Exception):
    """The script uses something that configuration files may not."""

    def __init__(self, what: str, hint: str = "", node: ast.AST | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.node = node


class Scope:
    """Names of a function call or of the file, and the scope around it."""

    __slots__ = ("foreign", "names", "outer")

    def __init__(self, names: dict[str, Value], outer: Scope | None = None) -> None:
        self.names = names
        self.outer = outer
        self.foreign: dict[str, Scope] = {}  #: names declared global or nonlocal


class Function:
    """A function of the script."""

    __slots__ = ("defaults", "kw_defaults", "name", "node", "scope")

    def __init__(
        self,
        name: str,
        node: ast.FunctionDef | ast.Lambda,
        scope: Scope,
        defaults: list[Value],
        kw_defaults: dict[str, Value],
    ) -> None:
        self.name = name
        self.node = node
        self.scope = scope
        self.defaults = defaults
        self.kw_defaults = kw_defaults


class Builtin:
    """A function of ours that a script may call: `body(machine, *arguments)`."""

    __slots__ = ("body", "name")

    def __init__(self, name: str, body: Callable[..., Value]) -> None:
        self.name = name
        self.body = body


class Facade:
    """A module or object of ours: a name and the members that a script may see."""

    __slots__ = ("advice", "members", "name")

    def __init__(
        self, name: str, members: Mapping[str, Value], advice: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.members = members
        self.advice = advice or {}  #: for members that are refused: what to write instead


class Names(dict[str, Value]):
    """The names of a scope and their values, to look at: assigning is what sets them."""


class Uuid(str):
    """A uuid: its text, which also knows itself without dashes."""

    __slots__ = ()


class Record(tuple[Value, ...]):
    """A tuple whose places also have names, as os.uname() returns."""

    fields: tuple[str, ...]

    @classmethod
    def of(cls, **values: Value) -> Record:
        """A record of these names and values, in order."""
        record = cls(values.values())
        record.fields = tuple(values)
        return record


#: exception classes that a script may raise, catch and derive errors from
EXCEPTIONS: Final[dict[str, type[BaseException]]] = {
    error.__name__: error
    for error in (
        Exception,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        LookupError,
        AttributeError,
        NameError,
        ArithmeticError,
        ZeroDivisionError,
        OverflowError,
        AssertionError,
        RuntimeError,
        NotImplementedError,
        ImportError,
        OSError,
        StopIteration,
        UnicodeError,
        SystemExit,
        KeyboardInterrupt,
    )
} | {
    "IOError": OSError,
    "EnvironmentError": OSError,
    "StandardError": Exception,
    "BaseException": BaseException,
}

CONTAINERS: Final = (list, tuple, dict, set)


def kind(value: Value) -> str:
    """What a value is called in messages."""
    if isinstance(value, Facade):
        return "module"
    if isinstance(value, Function | Builtin):
        return "function"
    if isinstance(value, Record):
        return "tuple"
    return "None" if value is None else type(value).__name__


def weigh(budget: Budget, value: Value, depth: int = 0) -> int:
    """Account for looking at the whole of a value, however it is shared inside; returns its size.

    Comparing, hashing and printing walk through every path of nested lists, of which there can be
    2^n in n of them.
    """
    if isinstance(value, str):
        budget.step(len(value) >> 8)
        return len(value) + 2
    if not isinstance(value, CONTAINERS):
        return 8
    if depth > 40:
        raise Thrown(RuntimeError("lists nested too deeply"))
    budget.step(1 + (len(value) >> 2))
    size = 2
    if isinstance(value, dict):
        for key, item in value.items():
            size += weigh(budget, key, depth + 1) + weigh(budget, item, depth + 1) + 4
    else:
        for item in value:
            size += weigh(budget, item, depth + 1) + 2
    return size


def text(budget: Budget, value: Value) -> str:
    """`str(value)` as a script sees it."""
    return value if isinstance(value, str) else representation(budget, value)


def representation(budget: Budget, value: Value) -> str:
    """`repr(value)` as a script sees it; an exception's is its message."""
    if isinstance(value, CONTAINERS):
        budget.text(weigh(budget, value))
        return _container(budget, value)
    if isinstance(value, str):
        budget.text(len(value) * 2)
        return repr(value)
    if isinstance(value, Function | Builtin | Facade):
        return f"<{kind(value)} {value.name}>"
    if isinstance(value, type):
        return f"<class {value.__name__!r}>"
    if isinstance(value, BaseException):
        return message(budget, value)
    written = repr(value)
    budget.text(len(written))
    return written


def message(budget: Budget, error: BaseException) -> str:
    """The text of an exception."""
    arguments = error.args
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if not arguments:
        return ""
    return text(budget, arguments[0]) if len(arguments) == 1 else representation(budget, tuple(arguments))


def _container(budget: Budget, value: Value) -> str:
    def show(item: Value) -> str:
        return representation(budget, item)

    if isinstance(value, dict):
        return "{" + ", ".join(f"{show(key)}: {show(item)}" for key, item in value.items()) + "}"
    inside = ", ".join(show(item) for item in value)
    if isinstance(value, list):
        return f"[{inside}]"
    if isinstance(value, set):
        return f"{{{inside}}}" if value else "set()"
    return f"({inside},)" if len(value) == 1 else f"({inside})"


def hashable(budget: Budget, value: Value) -> Value:
    """`value`, if it can be a key."""
    if isinstance(value, list | dict | set):
        raise Thrown(TypeError(f"unhashable type: {kind(value)!r}"))
    if isinstance(value, tuple):
        weigh(budget, value)
        for item in value:
            hashable(budget, item)
    return value


def items(budget: Budget, value: Value) -> list[Value]:
    """The items of something that can be iterated, in a list of their own."""
    if isinstance(value, str | list | tuple | set | range | dict):
        budget.items(min(len(value), 1 << 40) if not isinstance(value, range) else _range_length(value))
        return list(value)
    raise Thrown(TypeError(f"{kind(value)!r} cannot be iterated"))


def _range_length(value: range) -> int:
    try:
        return len(value)
    except OverflowError:
        return 1 << 62
