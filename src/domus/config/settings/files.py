"""Reading both files: what they set, what is doubtful in them, and what is wrong, with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from domus.config.problems import Finding, Place, Report, Source
from domus.config.settings.old import PARAMETERS
from domus.config.settings.table import SETTINGS, Value
from domus.config.sxp.parser import Atom, Branch, parse
from domus.model.errors import BadInput

TOML_FILE: Final = Path("/etc/xen/xend.toml")
SXP_FILE: Final = Path("/etc/xen/xend-config.sxp")

_PLACE: Final = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)"
)


@dataclass(frozen=True)
class Read:
    """What files say."""

    values: dict[str, Value] = field(default_factory=dict)  #: by key of xend.toml
    origins: dict[str, str] = field(default_factory=dict)  #: FILE:LINE of each value
    warnings: list[Finding] = field(default_factory=list)


def read(toml: Path = TOML_FILE, sxp: Path = SXP_FILE) -> Read:
    """Both files, the TOML one winning; one that is not there says nothing.

    Raises:
        InvalidConfig: every mistake of the first file that has any.
        BadInput: a file that is there cannot be read.
    """
    old, new = _text(sxp), _text(toml)
    older = read_sxp(old, str(sxp)) if old else Read()
    newer = read_toml(new, str(toml)) if new else Read()
    return Read(older.values | newer.values, older.origins | newer.origins, older.warnings + newer.warnings)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise BadInput("this is not UTF-8", where=str(path)) from None
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path)) from error


def read_toml(text: str, name: str) -> Read:
    """A xend.toml.

    Raises:
        InvalidConfig: every mistake, with its line.
    """
    import tomllib

    report = Report(Source(name, text))
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        matched = _PLACE.fullmatch(str(error))
        if matched is None:
            raise report.fail(str(error)) from None
        last = Place(text.count("\n") + 1, 1)
        at = Place(int(matched["line"]), int(matched["column"])) if matched["line"] else last
        raise report.fail(matched["what"], at) from None
    result = Read()
    for table, members in document.items():
        if not isinstance(members, dict):
            known = [key for key in SETTINGS if key.endswith(f".{table}")]
            hint = f"it belongs into [{known[0].partition('.')[0]}]" if known else ""
            report.error(f"{table!r} is in no table", _line_of(text, "", table), hint)
            continue
        for key, value in members.items():
            _setting(report, result, f"{table}.{key}", value, _line_of(text, table, key))
    report.check()
    return result


def _setting(report: Report, result: Read, key: str, value: object, at: Place) -> None:
    setting = SETTINGS.get(key)
    if setting is None:
        report.error(f"unknown setting {key!r}", at, _meant(key, SETTINGS))
    elif why := setting.wrong(value):
        report.error(f"{key} {why}", at)
    else:
        assert isinstance(value, str | int | bool)  # noqa: S101 - setting.wrong says so
        result.values[key] = value
        result.origins[key] = f"{report.source.name}:{at.line}"


def _line_of(text: str, table: str, key: str) -> Place:
    """Where a key of a table stands. tomllib does not tell; keys of ours are never quoted or dotted."""
    now = ""
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.fullmatch(r"\s*\[\s*([\w.-]+)\s*\]\s*(#.*)?", line):
            now = heading[1]
        for name in (key, f"{table}.{key}"):
            if (now == table or name != key) and (found := re.match(rf"\s*({re.escape(name)})\s*=", line)):
                return Place(number, found.start(1) + 1)
    return Place(1, 1)


def read_sxp(text: str, name: str) -> Read:
    """An old xend-config.sxp. What means nothing today is a warning with what replaced it.

    Raises:
        InvalidConfig: every mistake, with its line.
    """
    report = Report(Source(name, text))
    result = Read()
    seen: dict[str, Place] = {}
    # A later form wins, as with the old xend; ballooning is decided last, whatever the order.
    for form in sorted(parse(report), key=lambda form: _head(form) == "enable-dom0-ballooning"):
        if not isinstance(form, Branch):
            report.error(f"{form.text!r} stands outside of parentheses", form.place)
            continue
        if len(form) == 0:
            continue
        if form.head in seen:
            report.warn(f"{form.head} stands here again, and wins", form.place)
        seen[form.head] = form.place
        _parameter(report, result, form)
    report.check()
    result.warnings.extend(report.warnings)
    return result


def _head(form: Atom | Branch) -> str:
    return form.head if isinstance(form, Branch) else ""


def _parameter(report: Report, result: Read, form: Branch) -> None:
    old = PARAMETERS.get(form.head)
    if old is None:
        hint = _meant(form.head, PARAMETERS)
        report.warn(f"{form.head or 'a list'} is no parameter of xend", form.place, hint)
        return
    value = _shown(form[1]) if len(form) > 1 else ""
    if len(form) > 2 or (old.kind != "list" and len(form) > 1 and isinstance(form[1], Branch)):
        report.error(f"({old.name} ...) has one value", form.place)
        return
    if len(form) > 1 and (why := old.wrong(value)):
        report.error(why, form[1].place)
        return
    if old.means is None:
        if value.lower() not in old.harmless:
            report.warn(f"{old.name} means nothing today", form.place, f"instead: {old.instead}")
        return
    if not value and old.kind != "text":
        report.error(f"({old.name} ...) has one value", form.place)
        return
    meaning = old.means(value)
    if meaning.doubt:
        report.warn(f"{old.name} {value}: {meaning.doubt}", form.place)
    for key, translated in meaning.settings.items():
        if why := SETTINGS[key].wrong(translated):
            report.error(f"{old.name} {why}", form[1].place)
            continue
        result.values[key] = translated
        result.origins[key] = f"{report.source.name}:{form.place.line}"


def _meant(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else ""


def _shown(item: Atom | Branch) -> str:
    return item.text if isinstance(item, Atom) else f"({' '.join(map(_shown, item))})"
