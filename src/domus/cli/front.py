"""What stands before the subcommand: `xm [--host NAME] [-v] [--debug] SUBCOMMAND ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from domus.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence


class Front(NamedTuple):
    """The global options, and the subcommand with its arguments."""

    words: list[str]
    host: str | None = None
    debug: bool = False
    verbose: bool = False
    version: bool = False


def split(arguments: Sequence[str]) -> Front:
    """Take the global options off the front.

    Raises:
        BadInput: `--host` without a name.
    """
    words = list(arguments)
    front = Front([])
    while words:
        if words[0] == "--debug":
            front = front._replace(debug=True)
        elif words[0] in ("-v", "--verbose"):
            front = front._replace(verbose=True)
        elif words[0] == "--version":
            front = front._replace(version=True)
        elif words[0] == "--host":
            if len(words) == 1:
                raise BadInput("option --host requires argument")
            front = front._replace(host=words.pop(1))
        elif words[0].startswith("--host="):
            front = front._replace(host=words[0].removeprefix("--host="))
        else:
            break
        del words[0]
    return front._replace(words=words)
