"""One line that tells how a long operation gets on: only on a terminal, only when it takes its time."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from domus.model.operation import Operation

#: seconds of silence at the start: most operations are over by then
PATIENCE: Final = 1.0

_TICK: Final = 0.2  #: seconds between two pictures of the line
_BAR: Final = 20  #: columns
_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """While the block lasts, what was shown last is drawn on stderr; nothing of it remains.

    Args:
        what: what is shown before there is an operation, or instead of one.
    """

    def __init__(self, what: str = "") -> None:
        self._shown: Operation | str = what
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._drawn = False

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def show(self, shown: Operation | str) -> None:
        """From now on this is how it gets on."""
        self._shown = shown

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


def picture(shown: Operation | str, elapsed: float, *, columns: int) -> str:
    """The line: what is done, with a bar when it is known how far, and for how many seconds now."""
    text, bar = (shown, "") if isinstance(shown, str) else _words(shown)
    tail = f"{bar}  {elapsed:.0f} s"
    room = columns - 1 - len(tail)  # the last column stays empty: some terminals wrap there
    return (text if len(text) <= room else text[: max(room - 1, 0)] + "…") + tail


def _words(operation: Operation) -> tuple[str, str]:
    head = f"{operation.kind} {operation.domain}".strip()
    undoing = ", undoing" if operation.state == "undoing" else ""
    step = f": {operation.step}" if operation.step not in ("", operation.state) else ""
    bar = "" if operation.progress is None else f" {_bar(operation.progress)}"
    return f"{head}{undoing}{step}", bar


def _bar(progress: float) -> str:
    done = max(0.0, min(1.0, progress))
    filled = int(done * _BAR)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {done:4.0%}"
