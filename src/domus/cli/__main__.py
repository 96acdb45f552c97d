"""Where `xm` begins: the first request leaves, then the rest is imported, and reads the answer."""

from __future__ import annotations

import os
import sys

from domus.cli import early

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: what makes an import fail as if there were no such module (Python's reference, "The module cache")
_ABSENT: Any = None


def run() -> None:
    """The console script."""
    early.begin(sys.argv[1:])
    # msgspec takes typing_extensions where it finds it, for Pythons older than ours, and that alone is a
    # quarter of what xm imports.
    sys.modules.setdefault("typing_extensions", _ABSENT)
    from domus.cli.main import main

    if sys.modules["typing_extensions"] is _ABSENT:
        del sys.modules["typing_extensions"]
    status = main()
    end(status)


def end(status: int) -> None:
    """End the process at once: what there is to free, the kernel frees quicker than the interpreter."""
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it any more
    os._exit(status)


if __name__ == "__main__":
    run()
