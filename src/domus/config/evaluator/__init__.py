"""Evaluates xm files: programs in Python's syntax, of which nothing is ever executed.

`ast` parses the text; `machine` interprets the tree with tables of the constructs, methods, functions
and modules that exist. What is not in a table is refused with its place and what to write instead, and
a `Budget` bounds steps, memory, depth and sizes. There is no eval, exec or compile behind it.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

import msgspec

from domus.config.evaluator import expressions, statements
from domus.config.evaluator.addresses import ip_members
from domus.config.evaluator.budget import Budget, OverBudget
from domus.config.evaluator.builtins import BUILTINS
from domus.config.evaluator.host import Host
from domus.config.evaluator.machine import Machine
from domus.config.evaluator.modules import import_module
from domus.config.evaluator.namespaces import NAMESPACES
from domus.config.evaluator.parameters import ScriptVariable, usage, xm_vars
from domus.config.evaluator.values import Refused, Thrown, Value, message
from domus.config.problems import InvalidConfig, Place, Report, Source

__all__ = ["Budget", "Evaluated", "Host", "evaluate", "parse"]

_TABLES = (expressions, statements)  # importing them fills the machine's tables


class Evaluated(msgspec.Struct):
    """What a file left behind."""

    names: dict[str, Value]
    places: dict[str, Place] = {}  #: where a name got its last value
    values: dict[str, Place] = {}  #: where that value is written
    items: dict[str, Place] = {}  #: where the texts in lists were written
    read: frozenset[str] = frozenset()  #: names that the program reads anywhere
    helpers: frozenset[str] = frozenset()  #: names of loops, functions, imports
    output: list[str] = []
    is_program: bool = False  #: it has more than plain assignments
    python2: bool = False


def parse(source: Source) -> ast.Module:
    """The syntax tree of a text.

    Raises:
        SyntaxError: it is not Python (3); also for nesting deeper than Python takes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files are full of '\d' and the like
            return ast.parse(source.text)
    except (RecursionError, MemoryError):
        raise SyntaxError("nested too deeply") from None
    except ValueError as error:
        raise SyntaxError(str(error)) from None


def evaluate(
    source: Source,
    tree: ast.Module,
    report: Report,
    *,
    variables: dict[str, str],
    host: Host | None = None,
    budget: Budget | None = None,
    python2: bool = False,
) -> Evaluated:
    """Evaluate a parsed file.

    Args:
        variables: NAME=VALUE of the command line that are not parameters of the domain: the file sees them.

    Raises:
        InvalidConfig: it uses what is refused, fails, or runs over its budget.
    """
    declared: list[ScriptVariable] = []
    machine = _machine(source, variables, host or Host(), budget or Budget(), declared)
    machine.python2 = python2
    _run(machine, tree, report, declared)
    for what, node, hint in machine.doubts:
        report.warn(what, machine.place(node), hint)
    names = machine.file_scope.names
    return Evaluated(
        names={name: value for name, value in names.items() if name in machine.assigned or name in variables},
        places={name: place for name, node in machine.assigned.items() if (place := machine.place(node))},
        values={name: place for name, node in machine.valued.items() if (place := machine.place(node))},
        items={said: place for said, node in machine.said_at.items() if (place := machine.place(node))},
        output=machine.output,
        python2=python2,
        **_survey(tree),
    )


def _machine(
    source: Source, variables: dict[str, str], host: Host, budget: Budget, declared: list[ScriptVariable]
) -> Machine:
    names: dict[str, Value] = {}
    machine = Machine(source, names, BUILTINS, budget, host)
    names.update(ip_members())
    names.update(
        xm_file=source.name,
        xm_help=0,
        xm_vars=xm_vars(declared),
        Vars=None,
        __file__=source.name,
        __name__="__main__",
    )
    for module in ("os", "sys", "re", "socket", "errno"):
        names[module] = import_module(machine, module)
    names.update(variables)
    return machine


def _run(machine: Machine, tree: ast.Module, report: Report, declared: list[ScriptVariable]) -> None:
    try:
        signal = machine.execute(tree.body)
    except Refused as refused:
        raise report.fail(refused.what, machine.place(refused.node), refused.hint) from None
    except OverBudget as over:
        raise report.fail(
            f"this file asks for too much: {over}", machine.place(getattr(over, "node", None))
        ) from None
    except RecursionError:
        raise report.fail("this file asks for too much: it is nested too deeply") from None
    except Thrown as thrown:
        raise _uncaught(machine, thrown, report, declared) from None
    if signal is not None:
        raise report.fail(f"`{signal.kind}` outside of a {'function' if signal.kind == 'return' else 'loop'}")


def _uncaught(
    machine: Machine, thrown: Thrown, report: Report, declared: list[ScriptVariable]
) -> InvalidConfig:
    error = thrown.error
    said = message(Budget(), error)
    place = machine.place(thrown.node)
    if isinstance(error, SystemExit):
        return report.fail(f"the file refuses: {said or 'sys.exit() without a reason'}", place)
    missing = [variable.name for variable in declared if variable.name not in machine.file_scope.names]
    if missing and declared:
        return report.fail(
            said or type(error).__name__, place, f"this file takes parameters: {usage(declared)}"
        )
    name = "" if isinstance(error, NameError | SyntaxError) else f"{type(error).__name__}: "
    hint = (
        "a text is written in quotes; a parameter of the file is given as NAME=VALUE"
        if isinstance(error, NameError)
        else ""
    )
    return report.fail(f"{name}{said}" if said else type(error).__name__, place, hint)


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _texts(tree: ast.Module) -> Iterator[str]:
    return (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def _unpacks(node: ast.stmt) -> bool:
    """Whether a statement gives values to several names, some of which may be of no use."""
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Tuple | ast.List) for t in node.targets)


_PLAIN = (ast.Assign, ast.AugAssign, ast.Expr, ast.Pass)


def _survey(tree: ast.Module) -> dict[str, Value]:
    """Which names the program reads, and which belong to loops, functions and imports."""
    read: set[str] = set()
    helpers: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            read.add(node.id)
        elif isinstance(node, ast.For | ast.comprehension):
            helpers.update(n.id for n in ast.walk(node.target) if isinstance(n, ast.Name))
        elif isinstance(node, ast.FunctionDef):
            helpers.add(node.name)
        elif isinstance(node, ast.Global):
            read.update(node.names)
    if not read.isdisjoint(NAMESPACES):  # `"%(a)s" % locals()` reads a
        read.update(word for said in _texts(tree) for word in _WORD.findall(said))
    return {
        "read": frozenset(read),
        "helpers": frozenset(helpers),
        "is_program": not all(isinstance(node, _PLAIN) and not _unpacks(node) for node in tree.body),
    }
