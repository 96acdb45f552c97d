"""Statements of configuration files."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeVar, cast

from domus.config.evaluator import operators
from domus.config.evaluator.expressions import function
from domus.config.evaluator.machine import STATEMENTS, Execute, Machine, Signal
from domus.config.evaluator.modules import import_module
from domus.config.evaluator.targets import assign, bounds
from domus.config.evaluator.values import Facade, Refused, Thrown, Value, items, kind, text

Node = TypeVar("Node", bound=ast.stmt)
Run = Callable[[Machine, Node], "Signal | None"]


def statement(kind: type[Node]) -> Callable[[Run[Node]], Run[Node]]:
    """Enter a function in the table as the meaning of one kind of node."""

    def enter(function: Run[Node]) -> Run[Node]:
        STATEMENTS[kind] = cast(Execute, function)
        return function

    return enter


@statement(ast.Assign)
def _assign(machine: Machine, node: ast.Assign) -> None:
    value = machine.evaluate(node.value)
    for target in node.targets:
        assign(machine, target, value, target)
        if isinstance(target, ast.Name):
            machine.valued[target.id] = node.value


@statement(ast.AnnAssign)
def _annotated(machine: Machine, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(machine, node.target, machine.evaluate(node.value))


@statement(ast.AugAssign)
def _augmented(machine: Machine, node: ast.AugAssign) -> None:
    target = node.target
    if isinstance(target, ast.Name):
        before = machine.lookup(target.id)
    elif isinstance(target, ast.Subscript):
        before = machine.evaluate(
            ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)
        )
    else:
        raise Refused("an attribute cannot be set", node=target)
    more = machine.evaluate(node.value)
    if isinstance(before, list) and isinstance(node.op, ast.Add):
        # `+=` changes the list itself and takes anything that can be iterated.
        if isinstance(more, str):
            raise TypeError("a list takes a list here: write [...] around the text")
        added = items(machine.budget, more)
        machine.budget.items(len(before) + len(added))
        before.extend(added)
        value: Value = before
    else:
        value = operators.binary(machine, node.op, before, more, node)
    assign(machine, target, value, target)


@statement(ast.Expr)
def _expression(machine: Machine, node: ast.Expr) -> None:
    machine.evaluate(node.value)


@statement(ast.Pass)
def _pass(machine: Machine, node: ast.Pass) -> None:
    """Nothing."""


@statement(ast.If)
def _if(machine: Machine, node: ast.If) -> Signal | None:
    while True:
        if machine.evaluate(node.test):
            return machine.execute(node.body)
        if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
            return machine.execute(node.orelse)
        node = node.orelse[0]  # elif: no deeper, however many there are


@statement(ast.For)
def _for(machine: Machine, node: ast.For) -> Signal | None:
    for value in items(machine.budget, machine.evaluate(node.iter)):
        machine.budget.step()
        assign(machine, node.target, value)
        signal = machine.execute(node.body)
        if signal is not None and signal.kind == "break":
            return None
        if signal is not None and signal.kind == "return":
            return signal
    return machine.execute(node.orelse)


@statement(ast.While)
def _while(machine: Machine, node: ast.While) -> Signal | None:
    while machine.evaluate(node.test):
        machine.budget.step()
        signal = machine.execute(node.body)
        if signal is not None and signal.kind == "break":
            return None
        if signal is not None and signal.kind == "return":
            return signal
    return machine.execute(node.orelse)


@statement(ast.Break)
def _break(machine: Machine, node: ast.Break) -> Signal:
    return Signal("break")


@statement(ast.Continue)
def _continue(machine: Machine, node: ast.Continue) -> Signal:
    return Signal("continue")


@statement(ast.Return)
def _return(machine: Machine, node: ast.Return) -> Signal:
    return Signal("return", None if node.value is None else machine.evaluate(node.value))


@statement(ast.FunctionDef)
def _function(machine: Machine, node: ast.FunctionDef) -> None:
    if node.decorator_list:
        raise Refused("configuration files may not use decorators", node=node.decorator_list[0])
    machine.bind(node.name, function(node.name, machine, node), node)


@statement(ast.Global)
def _global(machine: Machine, node: ast.Global) -> None:
    for name in node.names:
        if machine.scope is not machine.file_scope:
            machine.scope.foreign[name] = machine.file_scope


@statement(ast.Nonlocal)
def _nonlocal(machine: Machine, node: ast.Nonlocal) -> None:
    for name in node.names:
        scope = machine.scope.outer
        while scope is not None and name not in scope.names:
            scope = scope.outer
        if scope is None:
            raise NameError(f"there is no {name!r} around this function")
        machine.scope.foreign[name] = scope


@statement(ast.Delete)
def _delete(machine: Machine, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            scope = machine.scope.foreign.get(target.id, machine.scope)
            if target.id not in scope.names and target.id in machine.leaked:
                del machine.leaked[target.id]
                continue
            if target.id not in scope.names:
                raise Thrown(NameError(f"name {target.id!r} is not defined"))
            del scope.names[target.id]
        elif isinstance(target, ast.Subscript):
            _delete_item(machine, target)
        else:
            raise Refused("this cannot be deleted", node=target)


def _delete_item(machine: Machine, target: ast.Subscript) -> None:
    holder = machine.evaluate(target.value)
    if not isinstance(holder, list | dict):
        raise TypeError(f"items of {kind(holder)} cannot be deleted")
    if isinstance(target.slice, ast.Slice):
        if not isinstance(holder, list):
            raise TypeError("a dict has no slices")
        del holder[bounds(machine, target.slice)]
    else:
        del holder[machine.evaluate(target.slice)]


@statement(ast.Assert)
def _assert(machine: Machine, node: ast.Assert) -> None:
    if not machine.evaluate(node.test):
        said = "" if node.msg is None else text(machine.budget, machine.evaluate(node.msg))
        raise Thrown(AssertionError(said or "an assertion does not hold"), node)


@statement(ast.Raise)
def _raise(machine: Machine, node: ast.Raise) -> None:
    if node.exc is None:
        if machine.handling is None:
            raise RuntimeError("there is no exception to raise again")
        raise Thrown(machine.handling, node)
    error = machine.evaluate(node.exc)
    if isinstance(error, type):
        error = machine.call(error, [])
    if isinstance(error, str):
        error = RuntimeError(error)
    if not isinstance(error, BaseException):
        raise TypeError("only exceptions can be raised")
    raise Thrown(error, node)


@statement(ast.Try)
def _try(machine: Machine, node: ast.Try) -> Signal | None:
    try:
        signal = _guarded(machine, node)
    except Thrown:
        left = machine.execute(node.finalbody)
        if left is not None:
            return left
        raise
    left = machine.execute(node.finalbody)
    return left if left is not None else signal


def _guarded(machine: Machine, node: ast.Try) -> Signal | None:
    depth, scope = machine.budget.depth, machine.scope
    try:
        signal = machine.execute(node.body)
    except Thrown as thrown:
        machine.budget.depth, machine.scope = depth, scope
        for handler in node.handlers:
            if _catches(machine, handler, thrown.error):
                return _handled(machine, handler, thrown.error)
        raise
    return signal if signal is not None else machine.execute(node.orelse)


def _catches(machine: Machine, handler: ast.ExceptHandler, error: BaseException) -> bool:
    if handler.type is None:
        return True
    wanted = machine.evaluate(handler.type)
    classes = wanted if isinstance(wanted, tuple) else (wanted,)
    return any(isinstance(c, type) and issubclass(c, BaseException) and isinstance(error, c) for c in classes)


def _handled(machine: Machine, handler: ast.ExceptHandler, error: BaseException) -> Signal | None:
    before = machine.handling
    machine.handling = error
    if handler.name:
        machine.scope.names[handler.name] = error
    try:
        return machine.execute(handler.body)
    finally:
        machine.handling = before


@statement(ast.Import)
def _import(machine: Machine, node: ast.Import) -> None:
    for alias in node.names:
        module = import_module(machine, alias.name)
        if alias.asname is None and "." in alias.name:
            first = alias.name.partition(".")[0]
            machine.scope.names[first] = import_module(machine, first)
        else:
            machine.scope.names[alias.asname or alias.name] = module


@statement(ast.ImportFrom)
def _import_from(machine: Machine, node: ast.ImportFrom) -> None:
    if node.module == "__future__":
        return
    if node.level or node.module is None:
        raise Refused("configuration files may not use relative imports")
    module = import_module(machine, node.module)
    for alias in node.names:
        if alias.name == "*":
            machine.scope.names.update(_public(module))
        else:
            machine.scope.names[alias.asname or alias.name] = _imported(module, alias.name)


def _public(module: Value) -> dict[str, Value]:
    return {name: value for name, value in module.members.items() if not name.startswith("_")}


def _imported(module: Facade, name: str) -> Value:
    from domus.config.evaluator.attributes import attribute

    return attribute(cast(Machine, None), module, name)
