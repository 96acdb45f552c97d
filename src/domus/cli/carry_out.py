"""Operations on a host as a command sees them: begun, followed, and taken back by Ctrl-C."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from domus.cli.progress import Progress
from domus.model.errors import Cancelled, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from domus.client import Client
    from domus.model.operation import Operation


def carry_out(client: Client, begin: Callable[[], Operation], *, undone: str = "") -> Operation:
    """Begin an operation and wait for its end; Ctrl-C takes it back, and is told as `undone`.

    Raises:
        Cancelled: by Ctrl-C; everything is as it was before.
    """
    operation = None
    try:
        with interrupts_held():
            operation = begin()
        return followed(client, operation)
    except KeyboardInterrupt:
        if operation is None:  # it came before the request
            raise
    what = f"{operation.kind} of {operation.domain}"
    try:
        ended = take_back(client, operation)
    except Cancelled:
        raise Cancelled(f"interrupted; {undone or f'{what} is undone'}") from None
    except KeyboardInterrupt:
        raise Cancelled(f"interrupted; the host goes on undoing {what}") from None
    return ended  # it was done already: too late to take it back


def take_back(client: Client, operation: Operation) -> Operation:
    """Cancel an operation and wait for its end; returns how it ended if it was done before that.

    Raises:
        Cancelled: nothing is left of it.
        DomusError: what made it fail.
    """
    try:
        operation = client.cancel(operation.id)
    except Conflict:
        operation = client.operation(operation.id)  # it has ended, or cannot be stopped any more
    return followed(client, operation)


def followed(client: Client, operation: Operation) -> Operation:
    """Wait for the end of an operation, and show how it gets on."""
    with Progress() as progress:
        return client.finish(operation, on_change=progress.show)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the block is over, so that what was begun there is known and can be undone.

    Raises:
        KeyboardInterrupt: at the end of the block, if Ctrl-C came meanwhile.
    """
    # A handler, not a signal mask: a mask holds for one thread, and the signal would go to another.
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
