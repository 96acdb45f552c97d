"""Checks many files: what is wrong with each, what is doubtful, without stopping at the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from domus.config.loading import load
from domus.config.problems import Finding, InvalidConfig
from domus.model.errors import DomusError


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was checked."""

    path: str
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether a domain could be made of it."""
        return not self.errors


def check(path: Path, *, format: str | None = None) -> Checked:
    """Read a file and say what there is to say; never raises for what is in it."""
    try:
        loaded = load(path, search_path=(), format=format)
    except InvalidConfig as error:
        return Checked(path=str(path), errors=error.problems)
    except DomusError as error:
        problem = Finding(what=error.what, where=error.where or str(path), hint=error.hint)
        return Checked(path=str(path), errors=(problem,))
    return Checked(path=str(path), warnings=loaded.findings)


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """The files among `paths` and in its directories, sorted; hidden ones and editors' copies left out."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for entry in sorted(path.iterdir()):
            if (
                entry.is_file()
                and not entry.name.startswith((".", "#"))
                and not entry.name.endswith(("~", ".bak"))
            ):
                yield entry
