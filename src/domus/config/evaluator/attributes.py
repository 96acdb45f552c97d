"""Attributes: members of our own objects, methods from the tables, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domus.config.evaluator.methods import METHODS, Method
from domus.config.evaluator.values import (
    Builtin,
    Facade,
    Names,
    Record,
    Refused,
    Thrown,
    Uuid,
    Value,
    kind,
    message,
)
from domus.config.suggestions import did_you_mean

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

_CHANGES: Final = ("update", "setdefault", "pop", "popitem", "clear")


def attribute(machine: Machine, value: Value, name: str) -> Value:
    """`value.name`."""
    if isinstance(value, Facade):
        return _member(value, name)
    if isinstance(value, Record) and name in value.fields:
        return value[value.fields.index(name)]
    if isinstance(value, BaseException) and name in ("args", "message"):
        return tuple(value.args) if name == "args" else message(machine.budget, value)
    if isinstance(value, Names) and name in _CHANGES:
        raise Refused(f"a name cannot be set by {name}()", "write NAME = VALUE")
    if isinstance(value, Uuid) and name == "hex":
        return value.replace("-", "")
    if name.startswith("_"):
        raise Refused(
            f"configuration files may not use {name}", "names with underscores are Python's own insides"
        )
    for family, methods in METHODS:
        if isinstance(value, family):
            if name in methods:
                return _bound(methods[name], value, name)
            raise Thrown(AttributeError(f"{kind(value)} has no {name!r}{_suggestion(name, methods)}"))
    raise Thrown(AttributeError(f"{kind(value)} has no {name!r}"))


def _member(facade: Facade, name: str) -> Value:
    if name in facade.members:
        return facade.members[name]
    if name in facade.advice:
        raise Refused(f"configuration files may not use {facade.name}.{name}", facade.advice[name])
    raise Refused(
        f"{facade.name}.{name} is not available in configuration files", did_you_mean(name, facade.members)
    )


def _suggestion(name: str, methods: dict[str, Method]) -> str:
    hint = did_you_mean(name, methods)
    return f", {hint}" if hint else ""


def _bound(method: Method, value: Value, name: str) -> Builtin:
    def body(machine: Machine, *arguments: Value, **keywords: Value) -> Value:
        return method(machine, value, *arguments, **keywords)

    return Builtin(name, body)
