"""Checks many files: what is wrong with each, what is doubtful, without stopping at the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from domus.config.files import doubts
from domus.config.loading import load
from domus.config.problems import Finding, InvalidConfig
from domus.model.errors import DomusError


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was checked."""

    path: str
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    files: tuple[Finding, ...] = ()  #: what it names that is not on this machine, if that was asked for
    unused: frozenset[str] = frozenset()  #: names of the command line that this file has no use for

    @property
    def is_fine(self) -> bool:
        """Whether a domain could be made of it."""
        return not self.errors


def check(
    path: Path,
    *,
    variables: Mapping[str, str] | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
    format: str | None = None,
    with_files: bool = False,
) -> Checked:
    """Read a file and say what there is to say; never raises for what is in it.

    Args:
        variables: NAME=VALUE of the command line, as for `load`; they may be meant for other files.
        lists: values of list parameters of the command line.
        with_files: look up here the files that it names.
    """
    try:
        loaded = load(
            path, variables=variables, lists=lists, search_path=(), format=format, allow_unused=True
        )
    except InvalidConfig as error:
        return Checked(path=str(path), errors=error.problems)
    except DomusError as error:
        problem = Finding(what=error.what, where=error.where or str(path), hint=error.hint)
        return Checked(path=str(path), errors=(problem,))
    missing = doubts(loaded.config) if with_files else ()
    return Checked(
        path=str(path),
        warnings=loaded.findings,
        files=tuple(Finding(what=what, where=str(path)) for what in missing),
        unused=frozenset(loaded.unused),
    )


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
