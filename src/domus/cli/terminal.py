"""The terminal in raw mode, and back again whatever happens."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def raw(terminal: int) -> Iterator[None]:
    """While the block lasts every key reaches us as it is typed: Ctrl-C too, which is the guest's.

    The terminal is what it was before when the block is left, also by SIGTERM or SIGHUP; after a stop
    and `fg` it is raw again.
    """
    before = termios.tcgetattr(terminal)

    def enter(*_: object) -> None:
        tty.setraw(terminal, termios.TCSADRAIN)

    handlers: dict[signal.Signals, Callable[..., None]] = {
        signal.SIGTERM: _exit,
        signal.SIGHUP: _exit,
        signal.SIGCONT: enter,
    }
    replaced = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        enter()
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def write_all(screen: int, data: bytes) -> None:
    """Write all of `data`, however little the other side takes at a time."""
    left = memoryview(data)
    while left:
        left = left[os.write(screen, left) :]


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
