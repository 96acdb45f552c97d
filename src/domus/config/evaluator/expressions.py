"""Expressions of configuration files: names, literals, operators, calls, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from domus.config.evaluator import operators
from domus.config.evaluator.attributes import attribute
from domus.config.evaluator.formatting import format_value
from domus.config.evaluator.machine import EXPRESSIONS, Evaluate, Machine
from domus.config.evaluator.targets import assign, bounds
from domus.config.evaluator.values import (
    Function,
    Refused,
    Scope,
    Value,
    hashable,
    items,
    representation,
    text,
)

Node = TypeVar("Node", bound=ast.expr)


def expression(
    kind: type[Node],
) -> Callable[[Callable[[Machine, Node], Value]], Callable[[Machine, Node], Value]]:
    """Enter a function in the table as the meaning of one kind of node."""

    def enter(function: Callable[[Machine, Node], Value]) -> Callable[[Machine, Node], Value]:
        EXPRESSIONS[kind] = cast(Evaluate, function)
        return function

    return enter


@expression(ast.Constant)
def _constant(machine: Machine, node: ast.Constant) -> Value:
    value: Any = node.value
    if isinstance(value, str):
        machine.budget.text(len(value))
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")  # b'...' is a plain string in Python 2
    if isinstance(value, int) and not isinstance(value, bool):
        machine.budget.bits(value.bit_length())
        return value
    if value is None or isinstance(value, bool | float):
        return value
    raise Refused(f"configuration files may not use {value!r}")


@expression(ast.Name)
def _name(machine: Machine, node: ast.Name) -> Value:
    return machine.lookup(node.id)


@expression(ast.List)
def _list(machine: Machine, node: ast.List) -> Value:
    return _elements(machine, node.elts)


@expression(ast.Tuple)
def _tuple(machine: Machine, node: ast.Tuple) -> Value:
    return tuple(_elements(machine, node.elts))


@expression(ast.Set)
def _set(machine: Machine, node: ast.Set) -> Value:
    return {hashable(machine.budget, value) for value in _elements(machine, node.elts)}


@expression(ast.Dict)
def _dict(machine: Machine, node: ast.Dict) -> Value:
    machine.budget.items(len(node.keys))
    made: dict[Value, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            made.update(machine.evaluate(value))
            machine.budget.items(len(made))
        else:
            name = hashable(machine.budget, machine.evaluate(key))
            made[name] = machine.evaluate(value)
    return made


def _elements(machine: Machine, nodes: list[ast.expr]) -> list[Value]:
    machine.budget.items(len(nodes))
    made: list[Value] = []
    for node in nodes:
        if isinstance(node, ast.Starred):
            made.extend(items(machine.budget, machine.evaluate(node.value)))
            continue
        value = machine.evaluate(node)
        machine.said(value, node)
        made.append(value)
    return made


@expression(ast.BinOp)
def _binary(machine: Machine, node: ast.BinOp) -> Value:
    # 'a' + 'b' + ... is a tree as deep as it is long: walk down its left side without recursion.
    chain = [node]
    while isinstance(chain[-1].left, ast.BinOp):
        chain.append(chain[-1].left)
    value = machine.evaluate(chain[-1].left)
    for step in reversed(chain):
        machine.budget.step()
        value = operators.binary(machine, step.op, value, machine.evaluate(step.right), step)
    return value


@expression(ast.UnaryOp)
def _unary(machine: Machine, node: ast.UnaryOp) -> Value:
    value = machine.evaluate(node.operand)
    if isinstance(node.op, ast.Not):
        return not value
    if not isinstance(value, int | float):
        raise TypeError("a sign needs a number")
    if isinstance(node.op, ast.USub):
        return -value
    if isinstance(node.op, ast.UAdd):
        return +value
    return ~cast(int, value)


@expression(ast.BoolOp)
def _boolean(machine: Machine, node: ast.BoolOp) -> Value:
    stops_at = isinstance(node.op, ast.Or)
    value: Value = None
    for operand in node.values:
        value = machine.evaluate(operand)
        if bool(value) is stops_at:
            break
    return value


@expression(ast.Compare)
def _compare(machine: Machine, node: ast.Compare) -> Value:
    left = machine.evaluate(node.left)
    for operation, operand in zip(node.ops, node.comparators, strict=True):
        right = machine.evaluate(operand)
        if not operators.compare(machine, operation, left, right):
            return False
        left = right
    return True


@expression(ast.IfExp)
def _conditional(machine: Machine, node: ast.IfExp) -> Value:
    return machine.evaluate(node.body if machine.evaluate(node.test) else node.orelse)


@expression(ast.NamedExpr)
def _named(machine: Machine, node: ast.NamedExpr) -> Value:
    value = machine.evaluate(node.value)
    machine.bind(node.target.id, value, node)
    return value


@expression(ast.Attribute)
def _attribute(machine: Machine, node: ast.Attribute) -> Value:
    return attribute(machine, machine.evaluate(node.value), node.attr)


@expression(ast.Subscript)
def _subscript(machine: Machine, node: ast.Subscript) -> Value:
    value = machine.evaluate(node.value)
    if isinstance(node.slice, ast.Slice):
        return operators.slice_of(machine, value, bounds(machine, node.slice))
    return operators.item_of(machine, value, machine.evaluate(node.slice))


@expression(ast.Call)
def _call(machine: Machine, node: ast.Call) -> Value:
    function = machine.evaluate(node.func)
    arguments = [] if not node.args else _elements(machine, node.args)
    keywords: dict[str, Value] = {}
    for keyword in node.keywords:
        value = machine.evaluate(keyword.value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
            keywords.update(value)
        else:
            raise TypeError("** needs a dict with names as its keys")
    return machine.call(function, arguments, keywords)


@expression(ast.Lambda)
def _lambda(machine: Machine, node: ast.Lambda) -> Value:
    return function("lambda", machine, node)


def function(name: str, machine: Machine, node: ast.FunctionDef | ast.Lambda) -> Function:
    """A function of the script; its defaults are evaluated now."""
    defaults = [machine.evaluate(default) for default in node.args.defaults]
    kw_defaults = {
        argument.arg: machine.evaluate(default)
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if default is not None
    }
    return Function(name, node, machine.scope, defaults, kw_defaults)


@expression(ast.JoinedStr)
def _formatted_string(machine: Machine, node: ast.JoinedStr) -> Value:
    parts = [text(machine.budget, machine.evaluate(part)) for part in node.values]
    machine.budget.text(sum(map(len, parts)))
    return "".join(parts)


@expression(ast.FormattedValue)
def _formatted_value(machine: Machine, node: ast.FormattedValue) -> Value:
    value = machine.evaluate(node.value)
    if node.conversion in (ord("r"), ord("a")):
        value = representation(machine.budget, value)
    elif node.conversion == ord("s"):
        value = text(machine.budget, value)
    specification = machine.evaluate(node.format_spec) if node.format_spec is not None else ""
    return format_value(machine.budget, value, specification)


@expression(ast.ListComp)
def _list_comprehension(machine: Machine, node: ast.ListComp) -> Value:
    def element() -> Value:
        value = machine.evaluate(node.elt)
        machine.said(value, node.elt)
        return value

    return _comprehended(machine, node.generators, element, leaks=True)


@expression(ast.GeneratorExp)
def _generator(machine: Machine, node: ast.GeneratorExp) -> Value:
    return _comprehended(machine, node.generators, lambda: machine.evaluate(node.elt))


@expression(ast.SetComp)
def _set_comprehension(machine: Machine, node: ast.SetComp) -> Value:
    made = _comprehended(machine, node.generators, lambda: machine.evaluate(node.elt))
    return {hashable(machine.budget, value) for value in made}


@expression(ast.DictComp)
def _dict_comprehension(machine: Machine, node: ast.DictComp) -> Value:
    def pair() -> Value:
        return hashable(machine.budget, machine.evaluate(node.key)), machine.evaluate(node.value)

    return dict(_comprehended(machine, node.generators, pair))


def _comprehended(
    machine: Machine,
    generators: list[ast.comprehension],
    element: Callable[[], Value],
    *,
    leaks: bool = False,
) -> list[Value]:
    """The elements of a comprehension; generators are lists here, since nothing is lazy."""
    before = machine.scope
    if not (leaks and machine.python2):  # Python 2's list comprehensions leave their variables behind
        machine.scope = Scope({}, before)
    made: list[Value] = []
    try:
        for _ in _rounds(machine, generators, 0):
            machine.budget.items(1)
            made.append(element())
    finally:
        if leaks and machine.scope is not before:
            machine.leaked.update(machine.scope.names)
        machine.scope = before
    return made


def _rounds(machine: Machine, generators: list[ast.comprehension], index: int) -> Iterator[None]:
    if index == len(generators):
        yield
        return
    generator = generators[index]
    if generator.is_async:
        raise Refused("configuration files may not use `async`")
    for value in items(machine.budget, machine.evaluate(generator.iter)):
        machine.budget.step()
        assign(machine, generator.target, value)
        if all(machine.evaluate(condition) for condition in generator.ifs):
            yield from _rounds(machine, generators, index + 1)
