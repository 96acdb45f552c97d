"""Long work on a host as a command sees it: begun, followed, and taken back by Ctrl-C."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from domus.cli.create import interrupts_held
from domus.cli.progress import Progress
from domus.model.errors import BadInput, Cancelled, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from domus.cli.options import Call
    from domus.client import Client
    from domus.model.operation import Operation


def carry_out(client: Client, begin: Callable[[], Operation], *, undone: str) -> Operation:
    """Begin an operation and wait for its end; Ctrl-C takes it back, and is told as `undone`.

    Raises:
        Cancelled: by Ctrl-C, and nothing is left of it.
    """
    operation = None
    try:
        with interrupts_held():
            operation = begin()
        return _followed(client, operation)
    except KeyboardInterrupt:
        if operation is None:  # it came before the request
            raise
    try:
        ended = _take_back(client, operation)
    except Cancelled:
        raise Cancelled(f"interrupted; {undone}") from None
    except KeyboardInterrupt:
        raise Cancelled(f"interrupted; the host goes on undoing the {operation.kind}") from None
    return ended  # it was done already: too late to take it back


def _take_back(client: Client, operation: Operation) -> Operation:
    try:
        operation = client.cancel(operation.id)
    except Conflict:
        operation = client.operation(operation.id)  # it has ended, or cannot be stopped any more
    return _followed(client, operation)


def _followed(client: Client, operation: Operation) -> Operation:
    with Progress() as progress:
        return client.finish(operation, on_change=progress.show)


def host_path(call: Call, name: str) -> str:
    """A file's absolute path on the host of the call, as xm made it.

    Raises:
        BadInput: it is relative, and the host has other files than we.
    """
    if call.target.shares_files:
        return os.path.abspath(name)  # noqa: PTH100 - pathlib costs 5 ms
    if not name.startswith("/"):
        raise BadInput(f"{name} is a file of the host's: give its absolute path")
    return name
