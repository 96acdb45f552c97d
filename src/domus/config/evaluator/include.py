"""`execfile` and imports of files beside the configuration: evaluated by the same rules and budget."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus.config.evaluator.budget import OverBudget
from domus.config.evaluator.values import Facade, Refused, Scope, Thrown, Value, message
from domus.config.problems import Source
from domus.model.errors import ConfigError

if TYPE_CHECKING:
    from domus.config.evaluator.machine import Machine

_MOST_NESTED: Final = 5


def execute_file(machine: Machine, path: Value, *scopes: Value) -> None:
    """`execfile(path)`: the other file's names become this one's."""
    if not isinstance(path, str):
        raise TypeError("execfile() needs the name of a file")
    _evaluate(machine, _find(machine, path), machine.file_scope)


def module_of_file(machine: Machine, name: str) -> Facade | None:
    """The names of NAME.py beside the configuration, in /etc/xen or in a directory of sys.path."""
    if not name.isidentifier():
        return None
    try:
        path = _find(machine, f"{name}.py")
    except Thrown:
        return None
    scope = Scope({}, machine.file_scope)
    _evaluate(machine, path, scope)
    return Facade(name, scope.names)


def _find(machine: Machine, name: str) -> Path:
    system = machine.modules.get("sys")
    added = system.members["path"] if isinstance(system, Facade) else []
    directories = [posixpath.dirname(machine.source.name), machine.host.directory, "/etc/xen", *added[:20]]
    for directory in directories:
        if isinstance(directory, str) and machine.host.is_file(posixpath.join(directory, name)):
            return Path(machine.host.directory, directory, name)
    raise Thrown(OSError(2, f"no such file: {name[:80]}"))


def _evaluate(machine: Machine, path: Path, scope: Scope) -> None:
    """Evaluate another file; what is wrong in it is said with its own name and line."""
    from domus.config.loading import read_text
    from domus.config.xm import NotPython, syntax_tree

    if machine.included >= _MOST_NESTED:
        raise OverBudget("files that include files are nested too deeply")
    before, machine.included = (machine.source, machine.scope), machine.included + 1
    try:
        source = Source(str(path), read_text(path))
        machine.budget.step(len(source.text) >> 4)
        tree, _ = syntax_tree(source)
        machine.source, machine.scope = source, scope
        machine.execute(tree.body)
    except NotPython as problem:
        raise Refused(f"{path}:{problem.place.line}: {problem.what}", problem.hint) from None
    except ConfigError as problem:
        raise Refused(problem.for_user()) from None
    except Refused as refused:
        raise Refused(f"{_where(machine, path, refused.node)}: {refused.what}", refused.hint) from None
    except Thrown as thrown:
        if isinstance(thrown.error, SystemExit):
            raise
        said = message(machine.budget, thrown.error)
        where = _where(machine, path, thrown.node)
        raise Thrown(RuntimeError(f"{where}: {type(thrown.error).__name__}: {said}")) from None
    finally:
        (machine.source, machine.scope), machine.included = before, machine.included - 1


def _where(machine: Machine, path: Path, node: object) -> str:
    line = getattr(node, "lineno", None)
    return str(path) if line is None else f"{path}:{line}"
