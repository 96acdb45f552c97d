"""Facades of string, copy, sets, math, itertools, functools, errno and types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from domus.config.evaluator.methods import METHODS, join
from domus.config.evaluator.system import functions
from domus.config.evaluator.values import Facade, Value, items, text

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

_PLACE: Final = re.compile(r"\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_DEEPEST: Final = 50


def string_module(machine: Machine) -> Facade:
    """`string`, with the functions that Python 2 had there."""
    methods = METHODS[0][1]
    lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
    punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

    def on_text(name: str) -> Callable[..., Value]:
        return lambda machine, value, *arguments: methods[name](machine, value, *arguments)

    moved = (
        "lower upper capitalize strip lstrip rstrip split rsplit find rfind index count replace ljust rjust "
        "center zfill expandtabs swapcase"
    )
    return Facade(
        "string",
        {
            **functions(**{name: on_text(name) for name in moved.split()}),
            **functions(
                join=lambda machine, parts, between=" ": join(machine, between, parts),
                joinfields=lambda machine, parts, between=" ": join(machine, between, parts),
                splitfields=on_text("split"),
                atoi=lambda machine, value, base=10: machine.call(machine.builtins["int"], [value, base]),
                atol=lambda machine, value, base=10: machine.call(machine.builtins["int"], [value, base]),
                atof=lambda machine, value: float(value),
                Template=_template,
            ),
            "ascii_lowercase": lower,
            "ascii_uppercase": upper,
            "ascii_letters": lower + upper,
            "lowercase": lower,
            "uppercase": upper,
            "letters": lower + upper,
            "digits": digits,
            "hexdigits": digits + "abcdefABCDEF",
            "octdigits": digits[:8],
            "punctuation": punctuation,
            "whitespace": " \t\n\r\v\f",
            "printable": digits + lower + upper + punctuation + " \t\n\r\v\f",
        },
    )


def _template(machine: Machine, pattern: Value) -> Facade:
    """`string.Template`: $NAME, ${NAME} and $$."""
    if not isinstance(pattern, str):
        raise TypeError("Template() needs a text")

    def filled(machine: Machine, mapping: Value, named: dict[str, Value], *, safe: bool) -> str:
        values = {**(mapping or {}), **named}

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name is None:
                return "$"
            if name in values:
                return text(machine.budget, values[name])
            if safe:
                return match[0]
            raise KeyError(name)

        machine.budget.step(len(pattern) >> 4)
        made = _PLACE.sub(value, pattern)
        machine.budget.text(len(made))
        return made

    def substitute(machine: Machine, mapping: Value = None, **named: Value) -> str:
        return filled(machine, mapping, named, safe=False)

    def safe_substitute(machine: Machine, mapping: Value = None, **named: Value) -> str:
        return filled(machine, mapping, named, safe=True)

    return Facade(
        "Template", {"template": pattern, **functions(substitute=substitute, safe_substitute=safe_substitute)}
    )


def copy_module(machine: Machine) -> Facade:
    """`copy`."""

    def shallow(machine: Machine, value: Value) -> Value:
        if not isinstance(value, list | dict | set):
            return value
        machine.budget.items(len(value))
        return type(value)(value)

    def deep(machine: Machine, value: Value, depth: int = 0) -> Value:
        machine.budget.step()
        if depth > _DEEPEST:
            raise ValueError("this is nested too deeply to be copied")
        if isinstance(value, list):
            machine.budget.items(len(value))
            return [deep(machine, item, depth + 1) for item in value]
        if isinstance(value, dict):
            machine.budget.items(len(value))
            return {key: deep(machine, item, depth + 1) for key, item in value.items()}
        return shallow(machine, value)

    return Facade(
        "copy", functions(copy=shallow, deepcopy=lambda machine, value, memo=None: deep(machine, value))
    )


def sets_module(machine: Machine) -> Facade:
    """`sets`, as Python 2 had it before sets were built in."""
    return Facade("sets", dict.fromkeys(("Set", "ImmutableSet"), machine.builtins["set"]))


def math_module(machine: Machine) -> Facade:
    """`math`, as far as sizes are computed with it."""

    def plain(function: Callable[[float], Value]) -> Callable[..., Value]:
        return lambda machine, value: function(value)

    return Facade(
        "math",
        {
            "pi": math.pi,
            "e": math.e,
            **functions(
                ceil=plain(math.ceil),
                floor=plain(math.floor),
                trunc=plain(math.trunc),
                sqrt=plain(math.sqrt),
                fabs=plain(math.fabs),
                log2=plain(math.log2),
                log10=plain(math.log10),
                log=lambda machine, value, *base: math.log(value, *base),
                pow=lambda machine, base, exponent: math.pow(base, exponent),
            ),
        },
    )


def itertools_module(machine: Machine) -> Facade:
    """`itertools`: what disk lists are joined with, and Python 2's names of built-in functions."""

    def chain(machine: Machine, *lists: Value) -> list[Value]:
        made = [item for values in lists for item in items(machine.budget, values)]
        machine.budget.items(len(made))
        return made

    lazy = {f"i{name}": machine.builtins[name] for name in ("zip", "map", "filter")}
    return Facade("itertools", {**functions(chain=chain), **lazy})


def functools_module(machine: Machine) -> Facade:
    """`functools`."""
    return Facade("functools", {"reduce": machine.builtins["reduce"]})


def errno_module(machine: Machine) -> Facade:
    """`errno`."""
    return Facade("errno", {"ENOENT": 2, "EACCES": 13, "EEXIST": 17, "EINVAL": 22})


def types_module(machine: Machine) -> Facade:
    """`types`, as Python 2 named its types."""
    names = {
        "StringType": "str",
        "IntType": "int",
        "ListType": "list",
        "DictType": "dict",
        "TupleType": "tuple",
    }
    return Facade("types", {ours: machine.builtins[name] for ours, name in names.items()})
