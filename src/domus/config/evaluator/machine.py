"""The evaluator's heart: walks the syntax tree, one table entry per kind of node.

A node without an entry does not exist here: what configuration files may use is listed in
`expressions` and `statements`, and everything else is refused with its place.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Final

from domus.config.evaluator.budget import MOST_DEPTH, Budget, OverBudget
from domus.config.evaluator.host import Host
from domus.config.evaluator.values import Builtin, Function, Refused, Scope, Thrown, Value
from domus.config.problems import Place, Source

#: host errors that an operation on values may end with; the script may catch them
SCRIPT_ERRORS: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError)

Evaluate = Callable[["Machine", ast.expr], Value]
Execute = Callable[["Machine", ast.stmt], "Signal | None"]

EXPRESSIONS: Final[dict[type[ast.AST], Evaluate]] = {}
STATEMENTS: Final[dict[type[ast.AST], Execute]] = {}


class Signal:
    """How a block was left before its end: break, continue, or return with a value."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: Value = None) -> None:
        self.kind = kind
        self.value = value


class Machine:
    """One evaluation: its budget, its scopes, and where things were said."""

    def __init__(
        self, source: Source, names: dict[str, Value], builtins: dict[str, Value], budget: Budget, host: Host
    ) -> None:
        self.source = source
        self.host = host
        self.budget = budget
        self.builtins = builtins
        self.file_scope = Scope(names)
        self.scope = self.file_scope
        self.python2 = False
        self.assigned: dict[str, ast.AST] = {}  #: names of the file scope by the node that set them last
        self.leaked: dict[str, Value] = {}  #: variables of list comprehensions, which Python 2 left behind
        self.valued: dict[str, ast.expr] = {}  #: and by the expression that they were set to
        self.said_at: dict[str, ast.AST] = {}  #: texts that became items of lists, by where
        self.output: list[str] = []  #: lines that the script printed
        self.doubts: list[tuple[str, ast.AST, str]] = []  #: warnings: what, where, hint
        self.handling: BaseException | None = None  #: the exception of the handler that runs now
        self.included = 0  #: files within files that are evaluated now
        self.modules: dict[str, Value] = {}

    def evaluate(self, node: ast.expr) -> Value:
        """The value of an expression."""
        budget = self.budget
        budget.steps -= 1
        if budget.steps < 0:
            budget.step()
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise refusal(node)
        if budget.depth >= MOST_DEPTH:
            raise OverBudget("expressions or calls are nested too deeply")
        budget.depth += 1
        try:
            return handler(self, node)
        except Thrown as thrown:
            thrown.node = thrown.node or node
            raise
        except Refused as refused:
            refused.node = refused.node or node
            raise
        except OverBudget as over:
            over.__dict__.setdefault("node", node)
            raise
        except SCRIPT_ERRORS as error:
            raise Thrown(error, node) from None
        finally:
            budget.depth -= 1

    def execute(self, body: Sequence[ast.stmt]) -> Signal | None:
        """Run statements until the end of the block, or until one leaves it."""
        budget = self.budget
        for statement in body:
            budget.step()
            handler = STATEMENTS.get(type(statement))
            if handler is None:
                raise refusal(statement)
            if budget.depth >= MOST_DEPTH:
                raise OverBudget("statements are nested too deeply")
            budget.depth += 1
            try:
                signal = handler(self, statement)
            except Thrown as thrown:
                thrown.node = thrown.node or statement
                raise
            except Refused as refused:
                refused.node = refused.node or statement
                raise
            except OverBudget as over:
                over.__dict__.setdefault("node", statement)
                raise
            except SCRIPT_ERRORS as error:
                raise Thrown(error, statement) from None
            finally:
                budget.depth -= 1
            if signal is not None:
                return signal
        return None

    def lookup(self, name: str) -> Value:
        """The value of a name, from the innermost scope outwards."""
        scope: Scope | None = self.scope
        while scope is not None:
            scope = scope.foreign.get(name, scope)
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        if name in self.builtins:
            return self.builtins[name]
        if name in self.leaked:
            return self.leaked[name]
        raise Thrown(NameError(f"name {name!r} is not defined"))

    def bind(self, name: str, value: Value, node: ast.AST) -> None:
        """Give a name of the present scope a value."""
        scope = self.scope.foreign.get(name, self.scope)
        if scope is self.file_scope:
            self.assigned[name] = node
        scope.names[name] = value

    def call(
        self, function: Value, arguments: Sequence[Value], keywords: dict[str, Value] | None = None
    ) -> Value:
        """Call a function of the script, one of ours, or an exception class."""
        if isinstance(function, Builtin):
            return function.body(self, *arguments, **(keywords or {}))
        if isinstance(function, Function):
            return self._call_function(function, arguments, keywords or {})
        if isinstance(function, type) and issubclass(function, BaseException):
            return function(*arguments)
        raise Thrown(TypeError("this is not a function"))

    def _call_function(
        self, function: Function, arguments: Sequence[Value], keywords: dict[str, Value]
    ) -> Value:
        budget = self.budget
        if budget.depth >= MOST_DEPTH:
            raise OverBudget("calls are nested too deeply (a function that calls itself?)")
        before = self.scope
        self.scope = Scope(_bound(function, arguments, keywords), function.scope)
        budget.depth += 1
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body)
            signal = self.execute(function.node.body)
            return signal.value if signal is not None else None
        finally:
            budget.depth -= 1
            self.scope = before

    def said(self, value: Value, node: ast.AST) -> None:
        """Remember where an item of a list was written, for messages about that item."""
        if isinstance(value, str) and len(self.said_at) < 10_000:
            self.said_at.setdefault(value, node)

    def doubt(self, what: str, node: ast.AST, hint: str = "") -> None:
        """Warn about a place of the script, once."""
        if len(self.doubts) < 50 and all(said != what for said, _, _ in self.doubts):
            self.doubts.append((what, node, hint))

    def warn_hidden(self, name: str) -> None:
        """Say that a variable of the environment is not shown to files."""
        self.doubt(
            f"the environment variable {name[:60]} is not shown to configuration files",
            ast.Module([], []),
            "give it on the command line as NAME=VALUE",
        )

    def place(self, node: ast.AST | None) -> Place | None:
        """Where a node stands in the file."""
        line = getattr(node, "lineno", None)
        if line is None:
            return None
        offset = getattr(node, "col_offset", 0)
        written = self.source.line(line)
        return Place(
            line, len(written.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore")) + 1
        )


def _bound(function: Function, arguments: Sequence[Value], keywords: dict[str, Value]) -> dict[str, Value]:
    """The names of a call: arguments by position and keyword, then defaults."""
    signature = function.node.args
    names = [argument.arg for argument in (*signature.posonlyargs, *signature.args)]
    bound = dict(zip(names, arguments, strict=False))
    extra = tuple(arguments[len(names) :])
    if signature.vararg:
        bound[signature.vararg.arg] = extra
    elif extra:
        raise Thrown(
            TypeError(f"{function.name}() takes {len(names)} arguments but {len(arguments)} were given")
        )
    allowed = {*names, *(argument.arg for argument in signature.kwonlyargs)}
    others: dict[str, Value] = {}
    for name, value in keywords.items():
        if name not in allowed:
            others[name] = value
        elif name in bound:
            raise Thrown(TypeError(f"{function.name}() got two values for {name!r}"))
        else:
            bound[name] = value
    if signature.kwarg:
        bound[signature.kwarg.arg] = others
    elif others:
        raise Thrown(TypeError(f"{function.name}() has no argument {next(iter(others))!r}"))
    for name, value in zip(reversed(names), reversed(function.defaults), strict=False):
        bound.setdefault(name, value)
    for name, value in function.kw_defaults.items():
        bound.setdefault(name, value)
    for name in (*names, *(argument.arg for argument in signature.kwonlyargs)):
        if name not in bound:
            raise Thrown(TypeError(f"{function.name}() needs a value for {name!r}"))
    return bound


_ADVICE: Final[dict[str, tuple[str, str]]] = {
    "ClassDef": ("classes", "use functions and dicts"),
    "With": ("`with`", "configuration files cannot open anything"),
    "AsyncFunctionDef": ("`async`", ""),
    "AsyncFor": ("`async`", ""),
    "AsyncWith": ("`async`", ""),
    "Await": ("`await`", ""),
    "Yield": ("`yield`", "return a list"),
    "YieldFrom": ("`yield`", "return a list"),
    "Match": ("`match`", "use if and elif"),
    "TypeAlias": ("`type`", ""),
    "TryStar": ("`except*`", "use except"),
    "Starred": ("a starred expression here", ""),
    "Slice": ("a slice here", ""),
}


def refusal(node: ast.AST) -> Refused:
    """The error for a construct that the evaluator does not know."""
    name = type(node).__name__
    what, hint = _ADVICE.get(name, (f"this construct ({name})", ""))
    return Refused(f"configuration files may not use {what}", hint, node)
