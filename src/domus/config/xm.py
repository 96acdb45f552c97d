"""xm files: Python's syntax, evaluated and never executed; what is left in its names is the document."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from domus.config.document import Document, Variable
from domus.config.evaluator import Evaluated, evaluate, parse
from domus.config.parameters import TABLE
from domus.config.problems import Place, Report, Source
from domus.config.suggestions import closest

if TYPE_CHECKING:
    from domus.config.detection import Read
    from domus.config.evaluator.host import Host


def read_xm(report: Report, variables: dict[str, str], host: Host | None) -> Read:
    """Evaluate a program and take its variables.

    Raises:
        NotPython: it is no program.
        InvalidConfig: it does not evaluate.
    """
    from domus.config.detection import Read

    own = {name: value for name, value in variables.items() if name not in TABLE}
    tree, python2 = syntax_tree(report.source)
    evaluated = evaluate(report.source, tree, report, variables=own, host=host, python2=python2)
    document = Document(report, "xm", _variables(evaluated, report, own))
    for name in [name for name in own if name in evaluated.read]:
        del variables[name]  # the program's own parameter, not the domain's
    return Read(document, "xm", output=evaluated.output)


class NotPython(Exception):
    """A text is no program, neither in Python 3 nor in Python 2."""

    def __init__(self, what: str, place: Place, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.place = place
        self.hint = hint


def syntax_tree(source: Source) -> tuple[ast.Module, bool]:
    """The syntax tree, and whether it took Python 2 to read it.

    Raises:
        NotPython: it is a program in neither.
    """
    first: SyntaxError | None = None
    try:
        tree = parse(source)
        if "print" not in source.text or not _prints_as_python2(tree):
            return tree, False
    except SyntaxError as error:
        first = error
    from domus.config.evaluator.python2 import to_python3

    try:
        return parse(Source(source.name, to_python3(source.text))), True
    except (SyntaxError, RecursionError) as error:
        raise _not_python(source, first or SyntaxError(str(error))) from None


def _prints_as_python2(tree: ast.Module) -> bool:
    """Whether `print >>file, x` or `print ("%s") % x` is in it: Python 3 takes these for something else."""
    return any(
        isinstance(node, ast.BinOp)
        and (named := node.left.func if isinstance(node.left, ast.Call) else node.left)
        and isinstance(named, ast.Name)
        and named.id == "print"
        for node in ast.walk(tree)
    )


def _not_python(source: Source, error: SyntaxError) -> NotPython:
    line = min(max(1, error.lineno or 1), source.text.count("\n") + 1)
    said = error.msg.split(" (", 1)[0] if error.msg.startswith("'") else error.msg
    return NotPython(f"syntax error: {said}", Place(line, max(1, error.offset or 1)))


def _variables(evaluated: Evaluated, report: Report, own: dict[str, str]) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for name, value in evaluated.names.items():
        place = evaluated.places.get(name)
        if name in TABLE:
            found[name] = Variable(value, evaluated.values.get(name, place), _item_places(evaluated, value))
        elif name in own or not _is_data(value) or name.startswith("_"):
            continue
        elif name not in evaluated.read and name not in evaluated.helpers:
            _unknown(report, name, place, evaluated.is_program)
    return found


def _item_places(evaluated: Evaluated, value: Any) -> tuple[Place | None, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(evaluated.items.get(item) if isinstance(item, str) else None for item in value[:1000])


def _is_data(value: Any) -> bool:
    return isinstance(value, str | int | float | list | tuple)


def _unknown(report: Report, name: str, place: Place | None, is_program: bool) -> None:
    """A name that is no parameter and that nothing reads: a misspelling, or a program's leftover."""
    from domus.config.reading import suggestion

    if is_program and not closest(name, TABLE):
        report.warn(f"{name[:60]!r} is not a parameter, and nothing reads it; ignored", place)
    else:
        report.error(f"unknown parameter {name[:60]!r}", place, suggestion(name))
