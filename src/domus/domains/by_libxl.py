"""Operations on a domain's devices that are one call of libxl, which cannot be recalled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from domus.domains.events import EventKind

if TYPE_CHECKING:
    from domus.domains.build import Handle
    from domus.domains.journal import UndoRecord
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo
    from domus.model.operation import Operation


async def begin(
    parts: Parts,
    kind: str,
    info: DomainInfo,
    work: Callable[[], Awaitable[None]],
    who: str,
    prepare: Callable[[], Awaitable[UndoRecord | None]] | None = None,
) -> Operation:
    """Begin to do `work`, after `prepare` has checked everything and said what takes it back.

    Args:
        kind: the operation, named as xm's subcommand for it.
    """

    async def body(operation: Handle) -> None:
        undo = None
        if prepare is not None:
            async with operation.step("checking"):
                undo = await prepare()
        async with operation.step("asking libxl", undo=undo):
            await work()
        told = EventKind.DEVICE_ATTACHED
        if kind.endswith(("detach", "destroy")):
            told = EventKind.DEVICE_DETACHED
        parts.tell(told, info, device=kind.partition("-")[0])

    return await parts.begin(
        kind,
        body,
        info.uuid,
        domain=info.name,
        uuid=info.uuid,
        doing=f"{kind} is going on",
        who=who,
        cancellable=False,
    )
