"""`xm check FILE ...`: every mistake in configuration files, with its place; nothing is created."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from domus.cli import configfile
from domus.model.errors import DomusError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.options import Call


def run(call: Call) -> int:
    """`xm check [--path=DIRS] [--json] FILE ...`; 1 when there is a mistake in any of them."""
    if not call.words:
        raise call.wrong("which files?")
    results = [check(name, call.value("path", configfile.SEARCH_PATH)) for name in call.words]
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document([as_data(*result) for result in results]))
    else:
        for result in results:
            tell(*result)
    return 1 if any(error is not None for _, error, _ in results) else 0


def check(name: str, search_path: str) -> tuple[str, DomusError | None, Sequence[object]]:
    """The file's path, what is wrong with it, and what is doubtful."""
    from domus import config

    path = configfile.find(name, search_path)
    if path is None:
        hint = configfile.hint_for(name, search_path)
        return name, NotFound(f"Unable to open config file: {name}", hint=hint), ()
    try:
        loaded = config.load(path, search_path=())
    except DomusError as error:
        return path, error, ()
    return path, None, loaded.warnings


def tell(path: str, error: DomusError | None, warnings: Sequence[object]) -> None:
    """Problems and warnings on stderr, in the order of the file; a file without mistakes is named."""
    from domus.cli.failure import lines_for

    if error is not None:
        print("\n".join(lines_for(error)), file=sys.stderr, flush=True)
        return
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr, flush=True)
    print(f"{path}: no mistakes", flush=True)


def as_data(path: str, error: DomusError | None, warnings: Sequence[object]) -> dict[str, Any]:
    """The result for one file, for programs."""
    problems: Sequence[object] = getattr(error, "problems", ()) or ([error.problem()] if error else ())
    return {"file": path, "ok": error is None, "problems": list(problems), "warnings": list(warnings)}
