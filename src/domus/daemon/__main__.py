"""`xend`, or `python3 -m domus.daemon`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from domus.daemon.settings import parse
from domus.model.errors import DomusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run xend until it is told to stop; returns its exit code."""
    try:
        settings = parse(arguments)
    except DomusError as error:
        for line in error.for_user().splitlines():
            print(f"xend: {line}", file=sys.stderr)
        return error.exit_code
    import logging

    from domus.daemon.logs import open_logs

    log_file = open_logs(level=settings.log_level, directory=settings.log_dir)
    for doubt in settings.warnings:
        logging.getLogger("domus.daemon").warning("%s", doubt)
    import asyncio

    from domus.daemon.wiring import serve

    try:
        asyncio.run(serve(settings, log_file=log_file))
    except DomusError as error:
        print(f"xend: {error.for_user()}", file=sys.stderr)
        return error.exit_code
    return 0


def run() -> None:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
