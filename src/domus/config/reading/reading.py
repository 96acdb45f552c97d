"""The work sheet on which a document becomes a DomainConfig."""

from __future__ import annotations

from typing import Any

from domus.config.document import Document, Spec
from domus.config.parameters import TABLE
from domus.config.parameters.kind import Invalid, Removed, shown
from domus.config.parameters.numbers import Flag, Whole
from domus.config.problems import Place
from domus.config.xl.parser import Number, strtol
from domus.model.config import GuestType

Value = Any


class Reading:
    """Values as their kinds read them, and fields of the model as far as they are known."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.report = document.report
        self.values: dict[str, Value] = {}
        self.fields: dict[str, Value] = {}
        self.guest_type = GuestType.PV

    @property
    def is_xm(self) -> bool:
        """Whether xm's defaults apply."""
        return self.document.dialect == "xm"

    @property
    def is_hvm(self) -> bool:
        """Whether it is an HVM guest."""
        return self.guest_type is GuestType.HVM

    def value(self, name: str) -> Value:
        """What a parameter was given, as its kind reads it; None: nothing, or it was wrong."""
        return self.values.get(name)

    def place(self, name: str) -> Place | None:
        """Where a parameter was given."""
        return self.document.place(name)

    def error(self, name: str, what: str, hint: str = "") -> None:
        """Report a problem of a parameter."""
        if name in self.document.given:
            self.report.error_elsewhere(f"{name}: {what}", "command line", hint)
            return
        self.report.error(f"{name}: {what}", self.place(name), hint)

    def warn(self, name: str, what: str, hint: str = "") -> None:
        """Report a doubt about a parameter."""
        self.report.warn(f"{name}: {what}", self.place(name), hint)

    def default(self, field: str, value: Value) -> None:
        """Set a field of the model, unless the file did."""
        self.fields.setdefault(field, value)

    def specs(self, name: str) -> list[Spec]:
        """The specification texts of a list parameter, with their places."""
        variable = self.document.variables.get(name)
        if variable is None or variable.value is None:
            return []
        value = variable.value
        if isinstance(value, str) and not isinstance(value, Number):
            if not value:
                return []
            self.warn(name, "one text where a list is expected", f"write {name} = [{shown(value)}]")
            value = [value]
        if not isinstance(value, list | tuple):
            self.error(
                name,
                f"expected a list of texts, not {shown(value)}",
                f"such as {name} = {TABLE[name].kind.hint}",
            )
            return []
        specs = []
        for index, item in enumerate(value):
            label, place = f"{name}[{index}]", variable.item_place(index)
            if isinstance(item, int) and not isinstance(item, bool):
                item = str(item)
            if isinstance(item, str):
                specs.append(Spec(self.report, label, item, place))
            elif item is not None:
                self.report.error(f"{label}: expected a text, not {shown(item)}", place)
        return specs

    def read_plain(self) -> None:
        """Read every variable that its kind alone understands."""
        for name, variable in self.document.variables.items():
            parameter = TABLE.get(name)
            if parameter is None or variable.value is None:
                continue
            if parameter.gone:
                if variable.value not in (0, "", [], "0", "default", -1):
                    self.warn(name, "has no meaning on today's Xen", parameter.gone)
                continue
            given = variable.value
            if not self.is_xm and isinstance(given, str) and isinstance(parameter.kind, Whole | Flag):
                number = strtol(given)
                given = given if number is None else number
            try:
                value = parameter.kind.read(given)
            except Removed as removed:
                self.warn(name, removed.what, removed.hint)
                continue
            except Invalid as problem:
                self.error(name, problem.what, problem.hint)
                continue
            if value is not None:
                self.values[name] = value
