"""`xm_vars`: parameters of the file itself, such as `vmid`, which the command line gives as NAME=VALUE."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from domus.config.evaluator.system import functions
from domus.config.evaluator.values import Facade, Thrown, Value, message, text

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine


class ScriptVariable(NamedTuple):
    """A parameter that a file declares."""

    name: str
    use: str  #: what it is for
    check: Value  #: function of the file: (name, given value or None) -> value


def xm_vars(declared: list[ScriptVariable]) -> Facade:
    """The object that files know as `xm_vars`; what they declare is added to `declared`."""

    def var(machine: Machine, name: Value, use: Value = None, check: Value = None) -> None:
        declared.append(ScriptVariable(str(name), text(machine.budget, use or ""), check))

    def check_all(machine: Machine) -> None:
        for variable in declared:
            if variable.check is None:
                continue
            given = machine.file_scope.names.get(variable.name)
            try:
                value = machine.call(variable.check, [variable.name, given])
            except Thrown as thrown:
                why = f"{variable.name} - {message(machine.budget, thrown.error)}"
                raise Thrown(ValueError(why), thrown.node) from None
            machine.file_scope.names[variable.name] = value

    return Facade("xm_vars", functions(var=var, check=check_all))


def usage(declared: list[ScriptVariable]) -> str:
    """What the file says about its parameters, for the error when one is missing."""
    return "; ".join(" ".join(f"{variable.name}=... {variable.use}".split()) for variable in declared)[:300]
