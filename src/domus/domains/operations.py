"""Long work that can be followed, cancelled, undone, and survives xend: operations.

A body does its work in steps; the undo of a step is on disk before the step begins::

    async def body(operation: OperationHandle[UndoRecord]) -> None:
        async with operation.step("building", undo=DestroyDomain(uuid)):
            operation.result(domid=await build())

When the body fails or is cancelled, its records are undone in reverse order. When xend is killed, the
next one undoes them in `recover`. Undoing itself cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Generic

import msgspec

from domus.domains.database import Database
from domus.domains.journal import KEPT_OPERATIONS, Journal, R
from domus.model.errors import Cancelled, Conflict, DomusError, HostProblem, Internal, NotFound
from domus.model.operation import Operation, OperationState

log = logging.getLogger(__name__)

#: seconds between two looks at how far a long step is
_LOOK_EVERY: Final = 0.5


class OperationHandle(Generic[R]):
    """An operation, as its body sees it."""

    def __init__(self, operations: Operations[R], operation_id: str) -> None:
        self.id = operation_id
        self._operations = operations
        self._steps = 0

    @asynccontextmanager
    async def step(
        self, text: str, *, undo: R | Sequence[R] | None = None, progress: float | None = None
    ) -> AsyncIterator[None]:
        """One step; on entry its undo records are on disk.

        Args:
            text: what it does, for people: "building".
            undo: what takes it back, also when it was cut off in its middle; of several, the last one first.
            progress: 0..1, how much is done when it begins.
        """
        self._operations.change(self.id, step=text, progress=progress)
        records = () if undo is None else undo if isinstance(undo, Sequence) else (undo,)
        if records:
            first, self._steps = self._steps, self._steps + len(records)
            await self._operations.journal.keep(self._operations.get(self.id), first, records)
        yield

    def progress(self, done: float) -> None:
        """Say how much is done, 0..1."""
        self._operations.change(self.id, progress=done)

    @asynccontextmanager
    async def watched(self, done: Callable[[], float]) -> AsyncIterator[None]:
        """While the block lasts, look from time to time how much is done, 0..1, and say it."""

        async def look() -> None:
            while True:
                await asyncio.sleep(_LOOK_EVERY)
                self.progress(min(done(), 1.0))

        looking = asyncio.create_task(look(), name="progress")
        try:
            yield
        finally:
            looking.cancel()

    def say(self, text: str, done: float | None = None) -> None:
        """Say what it is doing now, in other words than the step's own, and how much is done."""
        self._operations.change(self.id, step=text, progress=done)

    def result(self, **fields: int | str) -> None:
        """Say what came out: `domid` of a domain, `path` of a file."""
        self._operations.change(self.id, **fields)

    def domid(self) -> int | None:
        """The result so far."""
        return self._operations.get(self.id).domid

    async def commit(self, then: R) -> None:
        """From here on it is carried through: nothing is undone or cancelled any more.

        Args:
            then: what is left to do. The body does it now; should it fail, or xend be killed, it is done
                as a record is undone.
        """
        self._operations.fix(self.id)
        await asyncio.sleep(0)  # a cancellation that came before takes effect here
        first, self._steps = self._steps, self._steps + 1
        await self._operations.journal.keep_only(self._operations.get(self.id), first, then)


class Operations(Generic[R]):
    """The operations of one xend. For the event loop.

    Args:
        database: where they are kept.
        record_type: type of the undo records, a union usually.
        undo: carries one record out; it may be called again for the same one. True: what the operation was
            for is done by that: it was finished rather than undone.
        on_change: called for each operation that has begun or ended.
    """

    def __init__(
        self,
        database: Database,
        record_type: Any,
        undo: Callable[[R], Awaitable[bool | None]],
        on_change: Callable[[Operation], None] = lambda operation: None,
    ) -> None:
        self.journal: Journal[R] = Journal(database, record_type)
        self._undo = undo
        self._on_change = on_change
        self._known: dict[str, Operation] = {}
        self._bodies: dict[str, asyncio.Task[None]] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._news: dict[str, asyncio.Event] = {}
        self._fixed: set[str] = set()  # those that cannot be cancelled

    async def recover(self) -> None:
        """Undo what a killed xend left. Once, before anything is started.

        A record that cannot be undone now stays, and is tried again by the next `recover`.
        """
        self._known = {operation.id: operation for operation in await self.journal.operations()}
        left = await self.journal.unfinished()
        for operation in sorted(self._known.values(), key=lambda each: each.started, reverse=True):
            if operation.id in left or not operation.state.final:
                await self._recover(operation)
        await self._prune()

    async def _recover(self, operation: Operation) -> None:
        records = [record for _, record in await self.journal.records(operation.id)]
        finishing = any(getattr(record, "finishes", False) for record in records)
        verb = "finishing" if finishing else "undoing"
        log.warning("%s of %s was cut off: %s it", operation.kind, operation.domain, verb)
        whole, finished = await self._undo_all(operation.id)
        if operation.state.final:
            if whole:
                await self.journal.finish(operation)
            return
        if finished and whole:
            self._known[operation.id] = operation
            await self._end(operation.id, OperationState.DONE, None)
            self._on_change(self._known[operation.id])
            return
        told = next((each.after_kill for each in records if hasattr(each, "after_kill")), "it is undone")
        undone = told if whole else "not all of it is undone, see xend's log"
        problem = HostProblem(f"xend ended in the middle of {operation.kind}; {undone}")
        ended = msgspec.structs.replace(
            operation, state=OperationState.FAILED, ended=time.time(), problem=problem.problem()
        )
        self._known[operation.id] = ended
        await (self.journal.finish(ended) if whole else self.journal.keep(ended))
        self._on_change(ended)

    async def start(
        self,
        kind: str,
        *,
        domain: str,
        uuid: str,
        who: str,
        body: Callable[[OperationHandle[R]], Awaitable[None]],
        cancellable: bool = True,
        on_end: Callable[[], None] = lambda: None,
    ) -> Operation:
        """Begin an operation.

        Args:
            body: does the work. A DomusError that it raises is the operation's problem.
            cancellable: False: `cancel` is refused.
            on_end: called once it is final and undone where need be, or when it could not begin.

        Returns:
            How it stands at its beginning; it is on disk.
        """
        operation = Operation(
            id=secrets.token_hex(8),
            kind=kind,
            domain=domain,
            uuid=uuid,
            who=who,
            state=OperationState.RUNNING,
            started=time.time(),
        )
        try:
            await self.journal.keep(operation)
        except BaseException:
            on_end()
            raise
        self._known[operation.id] = operation
        self._news[operation.id] = asyncio.Event()
        if not cancellable:
            self._fixed.add(operation.id)
        log.info("%s of %s begins (%s, asked by %s)", kind, domain, operation.id, who)
        self._on_change(operation)
        handle = OperationHandle(self, operation.id)
        self._bodies[operation.id] = asyncio.create_task(_awaited(body, handle), name=f"{kind} {domain}")
        run = asyncio.create_task(self._run(operation.id, on_end), name=f"end of {kind} {domain}")
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        return operation

    def get(self, operation_id: str) -> Operation:
        """How an operation stands.

        Raises:
            NotFound: it is not known, or forgotten because it ended long ago.
        """
        try:
            return self._known[operation_id]
        except KeyError:
            raise NotFound(f"no operation {operation_id[:40]!r}") from None

    def list(self) -> list[Operation]:
        """All operations that are known, the oldest first."""
        return list(self._known.values())

    def cancel(self, operation_id: str) -> Operation:
        """Ask an operation to stop and to undo what it has done; it is final some time later.

        Raises:
            NotFound: it is not known.
            Conflict: it has ended, or is of a kind that cannot be stopped.
        """
        operation = self.get(operation_id)
        if operation.state.final:
            raise Conflict(f"the {operation.kind} of {operation.domain} has ended: {operation.state}")
        if operation_id in self._fixed:
            raise Conflict(f"a {operation.kind} cannot be stopped once it has begun")
        if operation.state is OperationState.RUNNING:
            self._bodies[operation_id].cancel()
        return operation

    async def wait(self, operation_id: str, within: float | None = None) -> Operation:
        """How it ended; after `within` seconds, how it stands."""
        try:
            async with asyncio.timeout(within):
                async for operation in self.changes(operation_id):
                    if operation.state.final:
                        break
        except TimeoutError:
            pass
        return self.get(operation_id)

    def changes(self, operation_id: str) -> AsyncIterator[Operation]:
        """How it stands now, then at each change, until it is final. Changes in quick succession are one.

        Raises:
            NotFound: at once; it is not known.
        """
        self.get(operation_id)
        return self._changes(operation_id)

    async def _changes(self, operation_id: str) -> AsyncIterator[Operation]:
        while True:
            operation = self.get(operation_id)
            news = self._news.get(operation_id)
            yield operation
            if operation.state.final or news is None:
                return
            if self._known.get(operation_id) is operation:
                await news.wait()

    async def close(self) -> None:
        """Stop what can be stopped, undo it, and wait for all ends."""
        for operation_id, body in [*self._bodies.items()]:
            if operation_id not in self._fixed:
                body.cancel()
        if self._runs:
            await asyncio.wait(self._runs)

    def change(self, operation_id: str, **fields: object) -> Operation:
        """Change how it stands, and wake who follows it. For this module."""
        operation = msgspec.structs.replace(self._known[operation_id], **fields)
        self._known[operation_id] = operation
        news, self._news[operation_id] = self._news[operation_id], asyncio.Event()
        news.set()
        return operation

    def fix(self, operation_id: str) -> None:
        """It cannot be cancelled any more. For this module."""
        self._fixed.add(operation_id)

    async def _run(self, operation_id: str, on_end: Callable[[], None]) -> None:
        body = self._bodies[operation_id]
        await asyncio.wait([body])
        error = _error_of(body)
        try:
            if error is None:
                await self._end(operation_id, OperationState.DONE, None)
            else:
                await self._failed(operation_id, error)
        except DomusError as broken:  # the database
            log.critical("the end of operation %s cannot be kept: %s", operation_id, broken.for_user())
            self._finalize(operation_id, OperationState.FAILED, error or broken)
        finally:
            del self._bodies[operation_id]
            self._fixed.discard(operation_id)
            on_end()
            self._announce(operation_id)

    async def _failed(self, operation_id: str, error: DomusError) -> None:
        self.change(operation_id, state=OperationState.UNDOING, step="undoing")
        whole, finished = await self._undo_all(operation_id)
        if finished and whole:
            log.warning("operation %s was finished at the second try: %s", operation_id, error.for_user())
            await self._end(operation_id, OperationState.DONE, None)
            return
        cancelled = isinstance(error, Cancelled)
        state = OperationState.CANCELLED if cancelled else OperationState.FAILED
        if whole:
            await self._end(operation_id, state, error)
        else:
            # Its records stay for the next xend's recover().
            await self.journal.keep(self._finalize(operation_id, state, error))

    async def _end(self, operation_id: str, state: OperationState, error: DomusError | None) -> None:
        operation = self._ended(operation_id, state, error)
        # On disk first: whoever is told that it is done finds it done after any crash.
        await self.journal.finish(operation)
        self._known[operation_id] = operation

    def _ended(self, operation_id: str, state: OperationState, error: DomusError | None) -> Operation:
        return msgspec.structs.replace(
            self._known[operation_id],
            state=state,
            ended=time.time(),
            progress=1.0 if state is OperationState.DONE else None,
            problem=None if error is None else error.problem(),
        )

    def _finalize(self, operation_id: str, state: OperationState, error: DomusError | None) -> Operation:
        self._known[operation_id] = self._ended(operation_id, state, error)
        return self._known[operation_id]

    def _announce(self, operation_id: str) -> None:
        operation = self._known[operation_id]
        problem = f": {operation.problem.title}" if operation.problem else ""
        log.info(
            "%s of %s %s (%s)%s", operation.kind, operation.domain, operation.state, operation_id, problem
        )
        self._news.pop(operation_id).set()
        self._on_change(operation)

    async def _undo_all(self, operation_id: str) -> tuple[bool, bool]:
        """Carry all records out; whether all could be, and whether the operation is done by that.

        When all could be, those that brought it forward stay: the write of its end removes them. Were a xend
        killed after their removal and before that, the next one would take for undone what is done.
        """
        whole, forward = True, []
        for step, record in await self.journal.records(operation_id):
            try:
                went_forward = await self._undo(record)
            except Exception as error:
                whole = False
                log.exception("cannot undo %r of operation %s: %s", record, operation_id, error)
            else:
                if went_forward or getattr(record, "finishes", False):
                    forward.append(step)
                else:
                    await self.journal.undone(operation_id, step)
        if not whole:  # what could not be undone is tried again, perhaps in days: these must not be
            for step in forward:
                await self.journal.undone(operation_id, step)
        return whole, bool(forward)

    async def _prune(self) -> None:
        final = [each.id for each in self._known.values() if each.state.final]
        forgotten = final[: max(0, len(final) - KEPT_OPERATIONS)]
        for operation_id in forgotten:
            del self._known[operation_id]
        await self.journal.prune(forgotten)


async def _awaited(body: Callable[[OperationHandle[R]], Awaitable[None]], handle: OperationHandle[R]) -> None:
    await body(handle)


def _error_of(body: asyncio.Task[None]) -> DomusError | None:
    if body.cancelled():
        return Cancelled("cancelled")
    error = body.exception()
    if error is None or isinstance(error, DomusError):
        return error
    log.error("a mistake in an operation", exc_info=error)
    return Internal(f"{type(error).__name__} in xend", hint="xend's log has the details")
