"""One line that tells how a long piece of work gets on; and what the work calls to tell it.

Drawn on a terminal only, and only when the work takes its time; nothing of it remains. Where standard error
is no terminal, the lab's work says each new step in a line of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, Self

#: called with what is being done now and how far it is, 0..1 (None: not known)
Report = Callable[[str, float | None], None]

#: seconds of silence at the start: most work is over by then
PATIENCE: Final = 1.0

_TICK: Final = 0.2  #: seconds between two pictures of the line
_BAR: Final = 20  #: columns
_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"
_CLEAR: Final = "\r\x1b[K"


def silent(_step: str, _progress: float | None) -> None:
    """Tell nobody."""


class Shown(NamedTuple):
    """What is done now, and how far it is, 0..1 (None: not known)."""

    text: str
    progress: float | None = None


class Line:
    """While the block lasts, what was shown last is drawn on standard error.

    Args:
        text: what is shown first.
    """

    def __init__(self, text: str = "") -> None:
        self._shown = Shown(text)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._drawn = False

    def __enter__(self) -> Self:
        if is_drawn():
            self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def report(self, text: str, progress: float | None = None) -> None:
        """From now on this is how it gets on."""
        self._shown = Shown(text, progress)

    def say(self, line: str) -> None:
        """Print a line on standard output, above the progress."""
        with self._lock:
            if self._drawn:
                sys.stderr.write(_CLEAR)
                sys.stderr.flush()
                self._drawn = False
            print(line, flush=True)

    def _draw(self) -> None:
        begun = time.monotonic()
        dim, plain = ("", "") if "NO_COLOR" in os.environ else (_DIM, _PLAIN)
        pause = PATIENCE
        while not self._ended.wait(pause):
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            line = picture(self._shown, time.monotonic() - begun, columns=columns)
            with self._lock:
                sys.stderr.write(f"{_CLEAR}{dim}{line}{plain}")
                sys.stderr.flush()
                self._drawn = True
            pause = _TICK
        if self._drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def is_drawn() -> bool:
    """Standard error is a terminal on which a line can be drawn anew."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def picture(shown: Shown, elapsed: float, *, columns: int) -> str:
    """The line: what is done, with a bar when it is known how far, and for how many seconds now."""
    bar = "" if shown.progress is None else f" {_bar(shown.progress)}"
    tail = f"{bar}  {elapsed:.0f} s"
    room = columns - 1 - len(tail)  # the last column stays empty: some terminals wrap there
    text = shown.text
    return (text if len(text) <= room else text[: max(room - 1, 0)] + "…") + tail


def _bar(progress: float) -> str:
    done = max(0.0, min(1.0, progress))
    filled = int(done * _BAR)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {done:4.0%}"


@contextmanager
def terminal() -> Iterator[Report]:
    """A report that draws the line; where standard error is no terminal, one line for each new step."""
    if is_drawn():
        with Line() as line:
            yield line.report
    else:
        yield _Steps().report


class _Steps:
    """A line per step, with the seconds since the start: for logs."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._said = ""

    def report(self, step: str, _progress: float | None) -> None:
        if step != self._said:
            self._said = step
            print(f"[{time.monotonic() - self._begun:5.1f} s] {step}", file=sys.stderr, flush=True)
