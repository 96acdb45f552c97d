"""Operations, followed to their end over connections that may break."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from domus.client.calls import Calls
from domus.client.requests import quote
from domus.model.errors import Cancelled, DomusError, OutcomeUnknown, Unreachable, from_problem
from domus.model.operation import Operation, OperationState

#: seconds for which xend is tried to be reached again
FOLLOW_WITHIN: Final = 30.0


def follow(calls: Calls, operation: Operation) -> Iterator[Operation]:
    """The operation's snapshots; see `Client.follow`."""
    gone_since: float | None = None
    while not operation.state.final:
        try:
            for data in calls.stream(f"/v1/operations/{quote(operation.id)}/events"):
                operation = msgspec.json.decode(data, type=Operation)
                gone_since = None
                yield operation
                if operation.state.final:
                    return
            pause = 0.2
        except Unreachable as error:
            gone_since = gone_since or time.monotonic()
            if time.monotonic() - gone_since > FOLLOW_WITHIN:
                raise OutcomeUnknown(
                    f"lost xend during {operation.kind} of {operation.domain or operation.id}",
                    where=error.where,
                    hint="the next xend undoes what was not finished: look with xm list",
                ) from error
            pause = 1.0
        time.sleep(pause)


def outcome(operation: Operation) -> Operation:
    """The operation, which is final, if it was done; else what made it fail is raised."""
    what = f"{operation.kind} of {operation.domain or operation.id}"
    if operation.problem is not None and operation.state is OperationState.FAILED:
        raise from_problem(operation.problem)
    if operation.state is OperationState.FAILED:
        raise DomusError(f"{what} failed")
    if operation.state is OperationState.CANCELLED:
        raise Cancelled(f"{what} was cancelled")
    return operation
