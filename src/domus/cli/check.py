"""`xm check FILE|DIR ...`: every mistake in configuration files, with its place; nothing is created."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domus.cli import configfile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domus.cli.options import Call
    from domus.config.checking import Checked


def run(call: Call) -> int:
    """`xm check [options] FILE|DIR ... [NAME=VALUE ...]`; 1 when any file has a mistake."""
    given = configfile.sorted_words(call)
    if not given.files:
        raise call.wrong("which files?")
    if call.has("json"):
        from domus.cli.as_json import document

        results = list(checked(call, given))
        sys.stdout.write(document([as_data(result) for result in results]))
    else:
        results = []
        for result in checked(call, given):
            tell(result)
            results.append(result)
        if len(results) > 1:
            print(summary(results), flush=True)
    refuse_unknown(given, results)
    return 0 if all(result.is_fine for result in results) else 1


def checked(call: Call, given: configfile.Words) -> Iterator[Checked]:
    """What there is to say about each file that is named, and about each file of the directories."""
    from domus.config.checking import check

    for name in given.files:
        files = files_of(name, call.value("path", configfile.SEARCH_PATH))
        if not isinstance(files, list):
            yield files
            continue
        for path in files:
            yield check(
                path,
                variables=given.variables,
                lists=given.lists,
                format=call.value("format") or None,
                with_files=call.has("files"),
            )


def refuse_unknown(given: configfile.Words, results: list[Checked]) -> None:
    """A variable of the command line must mean something to one of the files.

    Raises:
        InvalidConfig: to none of them.
    """
    unknown = [name for name in given.variables if all(name in result.unused for result in results)]
    if unknown:
        from domus.config import Finding, InvalidConfig
        from domus.config.reading import suggestion

        raise InvalidConfig(
            tuple(
                Finding(what=f"unknown parameter {name[:60]!r}", where="command line", hint=suggestion(name))
                for name in unknown
            )
        )


def files_of(name: str, search_path: str) -> list[Path] | Checked:
    """The files that a word of the command line means, or what is wrong with it."""
    from domus.config import Finding, checking

    path: str | None = name
    try:
        path = configfile.find(name, search_path)
        if path is None:
            hint = configfile.hint_for(name, search_path)
            problem = Finding(what=f"Unable to open config file: {name}", hint=hint)
            return checking.Checked(path=name, errors=(problem,))
        files = list(checking.files_of([Path(path)]))
    except OSError as error:
        problem = Finding(what=error.strerror or str(error), where=path or name)
        return checking.Checked(path=path or name, errors=(problem,))
    if not files:
        # A directory that is empty by mistake must not look as if its files were checked.
        return checking.Checked(path=path, errors=(Finding(what="no files in it", where=path),))
    return files


def tell(result: Checked) -> None:
    """Mistakes and warnings on stderr, in the order of the file; on stdout, that there are no mistakes."""
    from domus.cli.failure import lines_for_finding

    for error in result.errors:
        print("\n".join(lines_for_finding(error)), file=sys.stderr, flush=True)
    configfile.warn(map(str, (*result.warnings, *result.files)))
    if result.is_fine:
        print(f"{result.path}: no mistakes", flush=True)


def summary(results: list[Checked]) -> str:
    """How many files were checked, have mistakes, have warnings."""
    wrong = sum(not result.is_fine for result in results)
    doubtful = sum(bool(result.warnings or result.files) for result in results)
    return f"{len(results)} files: {wrong} with mistakes, {doubtful} with warnings"


def as_data(result: Checked) -> dict[str, Any]:
    """The result for one file, for programs."""
    return {
        "file": result.path,
        "ok": result.is_fine,
        "errors": list(result.errors),
        "warnings": list(result.warnings),
        "files": list(result.files),
    }
