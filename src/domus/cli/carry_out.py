"""Operations on a domain that exists: begun, shown, and taken back by Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domus.cli.progress import Progress
from domus.model.errors import Cancelled, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from domus.client import Client
    from domus.model.operation import Operation


def carry_out(client: Client, begin: Callable[[], Operation]) -> Operation:
    """Begin an operation and wait for its end; Ctrl-C cancels it, and waits until it is undone.

    Raises:
        Cancelled: by Ctrl-C; the domain is as it was before.
    """
    from domus.cli.create import interrupts_held

    operation = None
    try:
        with interrupts_held():
            operation = begin()
        with Progress() as progress:
            return client.finish(operation, on_change=progress.show)
    except KeyboardInterrupt:
        if operation is None:  # it came before the request
            raise
        return _cancelled(client, operation)


def _cancelled(client: Client, operation: Operation) -> Operation:
    what = f"{operation.kind} of {operation.domain}"
    try:
        client.cancel(operation.id)
    except Conflict:
        pass  # it has ended: what it did is done
    try:
        done = client.finish(operation)
    except Cancelled:
        raise Cancelled(f"interrupted; {what} is undone") from None
    except KeyboardInterrupt:
        raise Cancelled(f"interrupted; the host goes on undoing {what}") from None
    return done
