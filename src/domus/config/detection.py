"""Which language a text is written in, and the document that it makes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from domus.config.document import Dialect, Document, Variable
from domus.config.parameters import TABLE
from domus.config.problems import InvalidConfig, Report
from domus.model.config import DomainConfig
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.config.evaluator.host import Host
    from domus.config.xl.parser import Parser

FORMATS: Final = ("xm", "xl", "sxp", "xml", "json")
_COMMENTS: Final = re.compile(r"(?:\s+|#[^\n]*(?:\n|\Z))*")
_XL_DISK: Final = re.compile(
    r"(?:^|,)\s*(?:target|vdev|format|access)=|^[^,]*,\s*(?:raw|qcow2?|vhd|qed)?\s*,"
)


class Read(msgspec.Struct):
    """A document, and how it was read."""

    document: Document
    format: str
    config: DomainConfig | None = None  #: what is understood already: libxl's JSON needs no reading
    output: list[str] = []


def read_document(
    report: Report,
    variables: dict[str, str],
    lists: Mapping[str, Sequence[str]],
    format: str | None,
    host: Host | None,
    path: Path | None,
) -> Read:
    """Read a text in its language.

    Raises:
        InvalidConfig: it is not well-formed.
        BadInput: `format` is none that we read.
    """
    chosen = format or format_of(report.source.text)
    if chosen in ("sxp", "xml", "json"):
        read = _read_tree(report, chosen)
    elif chosen == "xl":
        read = _read_xl(report)
    elif chosen in ("xm", "assignments"):
        read = _read_assignments(report, variables, host, forced=chosen == "xm")
    else:
        raise BadInput(f"there is no format {chosen[:20]!r}", hint=f"one of {', '.join(FORMATS)}")
    document = read.document
    if read.config is not None and (variables or lists):
        from domus.config.writing.variables import to_variables

        written = to_variables(read.config, "xl").values
        document.variables, read.config = {name: Variable(value) for name, value in written.items()}, None
    if path is not None and document.dialect == "xm":
        document.default_name = path.name
    document.given = frozenset(variables) | frozenset(lists)
    document.unused = tuple(name for name in variables if name not in TABLE)
    for name, value in variables.items():
        if name in TABLE:
            document.variables[name] = Variable(value)
    for name, values in lists.items():
        document.variables[name] = Variable(list(values))
    return read


def format_of(text: str) -> str:
    """What the first character says: "sxp", "xml", "json", or "assignments" for xm and xl."""
    match = _COMMENTS.match(text)
    first = text[match.end() : match.end() + 1] if match is not None else ""
    if text.lstrip()[:1] == "<":
        return "xml"
    return {"(": "sxp", "{": "json", "[": "json"}.get(first, "assignments")


def _read_tree(report: Report, format: str) -> Read:
    if format == "sxp":
        from domus.config.sxp.reading import read_sxp

        return Read(read_sxp(report), "sxp")
    if format == "json":
        from domus.config.libxl_json import read_json

        return Read(Document(report, "xl"), "json", read_json(report))
    from domus.config.xml import read_xml

    return read_xml(report)


def _read_xl(report: Report) -> Read:
    from domus.config.xl.parser import parse

    parser = parse(report)
    if parser.problems:
        raise _malformed(report, parser)
    return _plain(report, parser, "xl")


def _malformed(report: Report, parser: Parser) -> InvalidConfig:
    """The lines that do not parse, and what is wrong with the names of those that do."""
    from domus.config.reading import check_names

    for problem in parser.problems:
        report.error(problem.what, problem.place, problem.hint)
    check_names(Document(report, "xl", parser.variables))
    return InvalidConfig(tuple(finding for _, finding in sorted(report.errors, key=lambda item: item[0])))


def _plain(report: Report, parser: Parser, dialect: Dialect) -> Read:
    for doubt in parser.doubts:
        report.warn(doubt.what, doubt.place, doubt.hint)
    return Read(Document(report, dialect, parser.variables), dialect)


def _read_assignments(report: Report, variables: dict[str, str], host: Host | None, *, forced: bool) -> Read:
    """xm or xl: if xl's grammar takes it, it is data of one of them; else it is a program of xm's."""
    from domus.config.xl.parser import parse

    parser = parse(report)
    if not parser.problems:
        return _plain(report, parser, "xm" if forced else dialect_of(parser.variables))
    from domus.config.xm import NotPython, read_xm

    try:
        return read_xm(report, variables, host)
    except NotPython as problem:
        # Neither: the grammar that came further was the one that was meant.
        xl = parser.problems[0]
        if forced or (problem.place.line, problem.place.column) >= xl.place:
            raise report.fail(problem.what, problem.place, problem.hint) from None
    raise _malformed(report, parser)


def _newer_than_xm(release: str) -> bool:
    """Whether a parameter came with a release of Xen that had no xm any more (from 4.5 on)."""
    major, _, minor = release.partition(".")
    return bool(release) and (int(major), int(minor)) >= (4, 5)


def dialect_of(variables: Mapping[str, Variable]) -> Dialect:
    """Whose defaults apply to plain assignments, by what is among them; xm's if nothing tells."""
    known = [TABLE[name].dialects for name in variables if name in TABLE]
    if any(_newer_than_xm(TABLE[name].xl) for name in variables if name in TABLE and not TABLE[name].xm):
        return "xl"
    if any(dialects == {"xm"} for dialects in known):
        return "xm"
    if any(dialects == {"xl"} for dialects in known):
        return "xl"
    disks = variables["disk"].value if "disk" in variables else ()
    specs = [spec for spec in disks if isinstance(spec, str)] if isinstance(disks, list) else []
    return "xl" if any(_XL_DISK.search(spec) for spec in specs) else "xm"
