"""`xm convert FILE --to LANGUAGE`: a configuration in another language; no host is asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from domus.cli import configfile
from domus.model.errors import AlreadyExists

if TYPE_CHECKING:
    from domus.cli.options import Call


def run(call: Call) -> int:
    """`xm convert FILE --to=LANGUAGE [--format=LANGUAGE] [-o OUT] [--force] [NAME=VALUE ...]`."""
    if not configfile.arguments(call).file:
        raise call.wrong("which file?")
    if not call.has("to"):
        raise call.wrong("into which language?", hint="--to=xl")
    output = call.value("output")
    if output and not call.has("force") and os.path.lexists(output):
        raise _exists(output)
    loaded = configfile.read(call, sys.stderr, announce=False)
    from domus.config.writing import convert

    written = convert(loaded.config, call.value("to"))
    configfile.warn(written.losses)
    if output:
        save(output, written.text, force=call.has("force"))
    else:
        sys.stdout.write(written.text)
    return 0


def save(path: str, text: str, *, force: bool) -> None:
    """Write a file; it is made now, or with `force` replaced.

    Raises:
        AlreadyExists: it is there, and `force` is not given.
        OSError: it cannot be written.
    """
    try:
        with Path(path).open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _exists(path) from None


def _exists(path: str) -> AlreadyExists:
    return AlreadyExists(f"{path} exists already", hint="--force replaces it")
