"""`globals()`, `locals()`, `vars()` and `dir()`: what names there are; they are set by assigning to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domus.config.evaluator.values import Builtin, Names, Value

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine
    from domus.config.evaluator.values import Scope

_DATA: Final = str | int | float | list | tuple | dict | set | None


def _of(machine: Machine, scope: Scope) -> Names:
    machine.budget.items(len(scope.names))
    return Names({name: value for name, value in scope.names.items() if isinstance(value, _DATA)})


def _globals(machine: Machine) -> Names:
    return _of(machine, machine.file_scope)


def _locals(machine: Machine) -> Names:
    return _of(machine, machine.scope)


def _dir(machine: Machine) -> list[Value]:
    return sorted(_locals(machine))


NAMESPACES: Final[dict[str, Builtin]] = {
    "globals": Builtin("globals", _globals),
    "locals": Builtin("locals", _locals),
    "vars": Builtin("vars", _locals),
    "dir": Builtin("dir", _dir),
}
