"""A configuration as its language left it: names with values and places, before anything is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from domus.config.problems import Place, Report

Value = Any
Dialect = Literal["xm", "xl"]


class Variable(NamedTuple):
    """A value that a file gives to a name."""

    value: Value
    place: Place | None = None
    items: tuple[Place | None, ...] = ()  #: where the items of a list were written, as far as known
    named: Place | None = None  #: where the name itself was written, if that is another place

    def item_place(self, index: int) -> Place | None:
        """Where item `index` was written; the variable's place if that is not known."""
        return (self.items[index] if index < len(self.items) else None) or self.place


class Document(msgspec.Struct):
    """The variables of one file, and what is needed to understand them."""

    report: Report
    dialect: Dialect
    variables: dict[str, Variable] = {}
    given: frozenset[str] = frozenset()  #: names whose values come from the command line
    unused: tuple[str, ...] = ()  #: names of the command line that are no parameters, and that nothing reads
    default_name: str = ""  #: the domain's name if the file has none (xm: the file's name)
    base: Path | None = None  #: directory of the file, for relative paths
    directory: Path | None = None  #: directory to look in first; None: the present one

    def text(self, name: str) -> str:
        """A variable that is text already; "" if it is absent or something else."""
        variable = self.variables.get(name)
        return variable.value if variable is not None and isinstance(variable.value, str) else ""

    def place(self, name: str) -> Place | None:
        """Where a variable was set."""
        variable = self.variables.get(name)
        return variable.place if variable is not None else None


class Spec:
    """One specification text, such as an item of `disk`, with words for its place: `disk[1]`."""

    def __init__(self, report: Report, label: str, text: str, place: Place | None) -> None:
        self.report = report
        self.label = label
        self.text = text
        self.place = place

    def error(self, what: str, hint: str = "", *, near: str = "") -> None:
        """Report a problem; `near` is the offending part of the text, for the caret."""
        self.report.error(f"{self.label}: {what}", self._place_of(near), hint)

    def warn(self, what: str, hint: str = "", *, near: str = "") -> None:
        """Report a doubt."""
        self.report.warn(f"{self.label}: {what}", self._place_of(near), hint)

    def _place_of(self, near: str) -> Place | None:
        """The place of `near`, if the text stands in the source as it is."""
        if self.place is None or not near:
            return self.place
        line = self.report.source.line(self.place.line)
        start = line.find(self.text, self.place.column - 1) if self.text else -1
        inside = self.text.find(near)
        if start < 0 or inside < 0 or start - self.place.column > 4:
            return self.place
        return Place(self.place.line, start + inside + 1)
