"""What a long piece of work tells about itself while it goes on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: called with what is being done now and how far it is, 0..1 (None: not known)
Report = Callable[[str, float | None], None]

_PATIENCE_S: Final = 1.0  #: silence at the start: most work is over by then
_BAR: Final = 24  #: columns


def silent(_step: str, _progress: float | None) -> None:
    """Tell nobody."""


@contextmanager
def terminal() -> Iterator[Report]:
    """A report that draws a bar on stderr; where that is no terminal, one line for each new step."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with _Bar() as bar:
            yield bar.report
    else:
        yield _Lines().report


class _Lines:
    """A line per step, with the seconds since the start: for logs."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._said = ""

    def report(self, step: str, _progress: float | None) -> None:
        if step != self._said:
            self._said = step
            print(f"[{time.monotonic() - self._begun:5.1f} s] {step}", file=sys.stderr, flush=True)


class _Bar:
    """A bar that is redrawn in place and moves its clock on while the work is silent."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._step = ""
        self._progress: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)

    def __enter__(self) -> _Bar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def report(self, step: str, progress: float | None) -> None:
        self._step, self._progress = step, progress

    def _draw(self) -> None:
        if self._ended.wait(_PATIENCE_S):
            return
        while not self._ended.wait(0.2):
            line = picture(self._step, self._progress, time.monotonic() - self._begun)
            columns = os.get_terminal_size(2).columns or 80
            print(f"\r\x1b[K{line[: columns - 1]}", end="", file=sys.stderr, flush=True)
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def picture(step: str, progress: float | None, elapsed: float) -> str:
    """The line: a bar when it is known how far the work is, the seconds, and what is done now."""
    if progress is None:
        return f"{elapsed:4.0f} s  {step}"
    full = int(max(0.0, min(1.0, progress)) * _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {progress:4.0%} {elapsed:4.0f} s  {step}"
