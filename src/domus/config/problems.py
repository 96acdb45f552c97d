"""What is wrong with a configuration, and where: every problem of a file at once, never just the first."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from domus.model.errors import ConfigError

#: characters of a configuration file; the largest real ones have some ten thousand
MOST_TEXT = 1 << 20

#: more problems than this are not listed; one mistake seldom has so many consequences
MOST_PROBLEMS = 100


class Place(NamedTuple):
    """A position in a source text; both count from 1, the column in characters."""

    line: int
    column: int


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong or doubtful in a configuration."""

    what: str
    where: str = ""  #: FILE:LINE:COLUMN, or as much of it as is known
    hint: str = ""  #: what to do about it
    source: str = ""  #: the line of the file
    caret: int = 0  #: column of the offending text in `source`, from 1; 0: not known

    def __str__(self) -> str:
        """One line: `guest.cfg:7:12: unknown vif key 'brigde' (did you mean bridge?)`."""
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return " ".join(f"{place}{self.what}{advice}".splitlines())

    def excerpt(self) -> str:
        """The line of the file with a caret below the offending text; empty when it is not known."""
        if not self.source or not self.caret:
            return ""
        shown, column = _window(self.source, self.caret)
        blanks = "".join("\t" if character == "\t" else " " for character in shown[: column - 1])
        return f"{shown}\n{blanks}^"


def _window(line: str, column: int, width: int = 110) -> tuple[str, int]:
    """A part of a long line around `column`, printable, and the column in it."""
    start = max(0, column - width // 2) if len(line) > width else 0
    part = "".join(c if c.isprintable() or c == "\t" else "?" for c in line[start : start + width])
    return part, column - start


class InvalidConfig(ConfigError):
    """A configuration file is wrong; `problems` lists everything that is, in the order of the file."""

    def __init__(self, problems: tuple[Finding, ...]) -> None:
        first = problems[0]
        super().__init__(first.what, where=first.where, hint=first.hint)
        self.problems = problems

    def for_user(self) -> str:
        """One line per problem."""
        return "\n".join(str(problem) for problem in self.problems)


class Source:
    """A text that is read as configuration, with the name that errors call it by."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """Line `number` (from 1) without its end; empty when there is none."""
        if self._lines is None:
            self._lines = self.text.split("\n")
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def place(self, offset: int) -> Place:
        """The line and column of a character offset."""
        before = self.text[:offset]
        return Place(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)

    def finding(self, what: str, at: Place | None = None, hint: str = "") -> Finding:
        """A finding at a place of this text."""
        if at is None:
            return Finding(what=what, where=self.name, hint=hint)
        return Finding(
            what=what,
            where=f"{self.name}:{at.line}:{at.column}",
            hint=hint,
            source=self.line(at.line)[:10_000],
            caret=at.column,
        )


class Report:
    """Collects errors and warnings while a file is read; `check` raises once all are known."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.errors: list[tuple[Place, Finding]] = []
        self.warnings: list[Finding] = []

    def error(self, what: str, at: Place | None = None, hint: str = "") -> None:
        """Something is wrong: no domain will be made of this file."""
        if len(self.errors) < MOST_PROBLEMS:
            self.errors.append((at or Place(0, 0), self.source.finding(what, at, hint)))

    def error_elsewhere(self, what: str, where: str, hint: str = "") -> None:
        """Something outside of the text is wrong, such as a value of the command line."""
        if len(self.errors) < MOST_PROBLEMS:
            self.errors.append((Place(0, 0), Finding(what=what, where=where, hint=hint)))

    def warn(self, what: str, at: Place | None = None, hint: str = "") -> None:
        """Something is doubtful; said once, changes nothing."""
        finding = self.source.finding(what, at, hint)
        if len(self.warnings) < MOST_PROBLEMS and finding not in self.warnings:
            self.warnings.append(finding)

    def check(self) -> None:
        """Go on only if nothing is wrong.

        Raises:
            InvalidConfig: with every error so far, in the order of the file.
        """
        if self.errors:
            ordered = sorted(self.errors, key=lambda item: item[0])
            raise InvalidConfig(tuple(finding for _, finding in ordered))

    def fail(self, what: str, at: Place | None = None, hint: str = "") -> InvalidConfig:
        """The exception for an error after which nothing more can be read."""
        self.error(what, at, hint)
        return InvalidConfig(tuple(finding for _, finding in self.errors))
