"""Facades of string, math, itertools, functools, errno and types."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from domus.config.evaluator.methods import METHODS, join
from domus.config.evaluator.system import functions
from domus.config.evaluator.values import Facade, Value, items

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine


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
    """`itertools`: the one function that disk lists are joined with."""

    def chain(machine: Machine, *lists: Value) -> list[Value]:
        made = [item for values in lists for item in items(machine.budget, values)]
        machine.budget.items(len(made))
        return made

    return Facade("itertools", functions(chain=chain))


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
