"""Short work of several steps: done as an operation, so that it is whole or undone, and waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from domus.model.errors import DomusError, from_problem
from domus.model.operation import OperationState

if TYPE_CHECKING:
    from domus.domains.journal import UndoRecord
    from domus.domains.operations import OperationHandle
    from domus.domains.parts import Parts


async def carry_out(
    parts: Parts,
    kind: str,
    body: Callable[[OperationHandle[UndoRecord]], Awaitable[None]],
    *,
    lock: str,
    name: str,
    doing: str,
    who: str,
    domain: str = "",
    uuid: str = "",
) -> None:
    """Do it, with the lock held until it has ended; when the caller goes away it goes on.

    Args:
        kind: what the operation is called, such as "cpupool-create".
        name: what it is about, for the error when the lock is taken; `doing` says what for.
        domain: the domain that it is about, `uuid` its uuid.

    Raises:
        Busy: the lock is taken.
        DomusError: what made it fail; it is undone.
    """
    parts.locks.take(lock, domain=name, doing=doing)
    operation = await parts.operations.start(
        kind,
        domain=domain,
        uuid=uuid,
        who=who,
        body=body,
        cancellable=False,
        on_end=lambda: parts.locks.release(lock),
    )
    ended = await parts.operations.wait(operation.id)
    if ended.problem is not None:
        raise from_problem(ended.problem)
    if ended.state is not OperationState.DONE:
        raise DomusError(f"{kind} of {name} ended as {ended.state}")
