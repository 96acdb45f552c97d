"""Operations can be followed, cancelled and undone; what they leave on disk survives xend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from domus.domains.database import Database
from domus.domains.operations import OperationHandle, Operations
from domus.model.errors import Conflict, HostProblem, InUse, NotFound
from domus.model.operation import Operation, OperationState


class RemoveFile(msgspec.Struct, frozen=True, tag="remove-file"):
    """Undo of making a file."""

    path: str


Handle = OperationHandle[RemoveFile]
Body = Callable[[Handle], Coroutine[Any, Any, None]]


async def remove(record: RemoveFile) -> None:
    Path(record.path).unlink(missing_ok=True)


@asynccontextmanager
async def opened(
    tmp_path: Path, undo: Callable[[RemoveFile], Coroutine[Any, Any, bool | None]] = remove
) -> AsyncIterator[Operations[RemoveFile]]:
    database = await Database.open(tmp_path / "state" / "xend.sqlite")
    operations: Operations[RemoveFile] = Operations(database, RemoveFile, undo)
    try:
        await operations.recover()
        yield operations
    finally:
        await operations.close()
        await database.close()


async def start(operations: Operations[RemoveFile], body: Body, *, cancellable: bool = True) -> Operation:
    return await operations.start(
        "create", domain="web", uuid="u", who="uid:0", body=body, cancellable=cancellable
    )


def maker(files: list[Path], error: Exception | None = None, hang: bool = False) -> Body:
    async def body(operation: Handle) -> None:
        for place, path in enumerate(files):
            async with operation.step(f"making {path.name}", undo=RemoveFile(str(path)), progress=place / 4):
                path.touch()
        operation.result(domid=7)
        if hang:
            await asyncio.Event().wait()
        if error is not None:
            raise error

    return body


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [tmp_path / name for name in "abc"]


async def test_what_succeeded_stays_and_says_its_result(tmp_path: Path, files: list[Path]) -> None:
    async with opened(tmp_path) as operations:
        begun = await start(operations, maker(files))
        assert begun.state is OperationState.RUNNING
        ended = await operations.wait(begun.id, 10)
    assert (ended.state, ended.domid, ended.problem) == (OperationState.DONE, 7, None)
    assert all(path.exists() for path in files)


async def test_what_failed_is_undone_in_reverse_order(tmp_path: Path, files: list[Path]) -> None:
    undone: list[str] = []

    async def undo(record: RemoveFile) -> None:
        undone.append(Path(record.path).name)
        await remove(record)

    async with opened(tmp_path, undo) as operations:
        begun = await start(operations, maker(files, InUse("taken", where="disk[0]")))
        ended = await operations.wait(begun.id, 10)
    assert ended.state is OperationState.FAILED
    assert ended.problem == InUse("taken", where="disk[0]").problem()
    assert undone == ["c", "b", "a"]


async def test_of_several_records_of_a_step_the_last_is_undone_first(tmp_path: Path) -> None:
    undone: list[str] = []

    async def undo(record: RemoveFile) -> None:
        undone.append(record.path)

    async def body(operation: Handle) -> None:
        async with operation.step("one", undo=[RemoveFile("1"), RemoveFile("2")]):
            pass
        async with operation.step("two", undo=RemoveFile("3")):
            raise HostProblem("broken")

    async with opened(tmp_path, undo) as operations:
        await operations.wait((await start(operations, body)).id, 10)
    assert undone == ["3", "2", "1"]


async def test_a_cancelled_operation_is_undone(tmp_path: Path, files: list[Path]) -> None:
    async with opened(tmp_path) as operations:
        begun = await start(operations, maker(files, hang=True))
        while not files[-1].exists():
            await asyncio.sleep(0.001)
        operations.cancel(begun.id)
        ended = await operations.wait(begun.id, 10)
        with pytest.raises(Conflict, match="has ended"):
            operations.cancel(begun.id)
    assert ended.state is OperationState.CANCELLED
    assert not any(path.exists() for path in files)


async def test_an_operation_that_was_cancelled_before_its_first_step_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as operations:
        begun = await start(operations, maker([], hang=True))
        operations.cancel(begun.id)
        assert (await operations.wait(begun.id, 10)).state is OperationState.CANCELLED


async def test_what_must_be_carried_through_cannot_be_cancelled(tmp_path: Path, files: list[Path]) -> None:
    async with opened(tmp_path) as operations:
        begun = await start(operations, maker(files), cancellable=False)
        with pytest.raises(Conflict, match="cannot be stopped"):
            operations.cancel(begun.id)
        assert (await operations.wait(begun.id, 10)).state is OperationState.DONE


async def test_undoing_cannot_be_cancelled(tmp_path: Path, files: list[Path]) -> None:
    async def slow(record: RemoveFile) -> None:
        await asyncio.sleep(0.01)
        await remove(record)

    async with opened(tmp_path, slow) as operations:
        begun = await start(operations, maker(files, InUse("taken")))
        while operations.get(begun.id).state is not OperationState.UNDOING:
            await asyncio.sleep(0)
        operations.cancel(begun.id)
        assert (await operations.wait(begun.id, 10)).state is OperationState.FAILED
    assert not any(path.exists() for path in files)


async def test_a_mistake_of_ours_is_one_line_for_the_user(tmp_path: Path) -> None:
    async with opened(tmp_path) as operations:
        begun = await start(operations, maker([], ZeroDivisionError("secret detail")))
        ended = await operations.wait(begun.id, 10)
    assert ended.problem is not None
    assert ended.problem.type == "internal"
    assert "secret" not in ended.problem.title


async def test_followers_see_each_step_and_the_end(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def body(operation: Handle) -> None:
        async with operation.step("waiting", progress=0.5):
            await gate.wait()

    seen = []
    async with opened(tmp_path) as operations:
        begun = await start(operations, body)
        async for operation in operations.changes(begun.id):
            seen.append((operation.state, operation.step))
            if operation.step == "waiting":
                gate.set()
    assert seen[0] == (OperationState.RUNNING, "")
    assert (OperationState.RUNNING, "waiting") in seen
    assert seen[-1] == (OperationState.DONE, "waiting")


async def test_waiting_ends_when_its_time_is_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as operations:
        begun = await start(operations, maker([], hang=True))
        assert (await operations.wait(begun.id, 0.01)).state is OperationState.RUNNING


async def test_an_ended_operation_is_known_to_the_next_xend(tmp_path: Path) -> None:
    async with opened(tmp_path) as operations:
        begun = await start(operations, maker([], InUse("taken")))
        ended = await operations.wait(begun.id, 10)
    async with opened(tmp_path) as operations:
        assert operations.get(begun.id) == ended
        assert operations.list() == [ended]
        with pytest.raises(NotFound):
            operations.get("nonsense")


async def test_an_undo_that_fails_is_tried_again_by_the_next_xend(tmp_path: Path, files: list[Path]) -> None:
    async def broken(record: RemoveFile) -> None:
        if record.path.endswith("b"):
            raise HostProblem("not now")
        await remove(record)

    async with opened(tmp_path, broken) as operations:
        begun = await start(operations, maker(files, InUse("taken")))
        assert (await operations.wait(begun.id, 10)).state is OperationState.FAILED
    assert [path.exists() for path in files] == [False, True, False]
    async with opened(tmp_path) as operations:
        problem = operations.get(begun.id).problem
        assert problem is not None
        assert problem.title == "taken"
    assert not files[1].exists()


async def test_an_operation_whose_state_cannot_be_written_does_not_begin(tmp_path: Path) -> None:
    ended = []
    database = await Database.open(tmp_path / "xend.sqlite")
    operations: Operations[RemoveFile] = Operations(database, RemoveFile, remove)
    await database.read(lambda connection: connection.execute("PRAGMA max_page_count=1"))  # a full disk
    with pytest.raises(HostProblem, match="full"):
        await operations.start(
            "create",
            domain="web" * 5000,
            uuid="u",
            who="",
            body=maker([]),
            on_end=lambda: ended.append(1),
        )
    assert ended == [1]
    assert operations.list() == []
    await database.close()


class KilledError(BaseException):
    """What stands for the end of a process in the middle of a write."""


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """What is left to do once an operation is carried through."""

    finishes: ClassVar[bool] = True

    path: str


async def test_what_is_committed_is_neither_cancelled_nor_undone(tmp_path: Path) -> None:
    made, kept, go_on = tmp_path / "made", tmp_path / "kept", asyncio.Event()

    async def body(operation: OperationHandle[Any]) -> None:
        async with operation.step("making", undo=RemoveFile(str(made))):
            made.touch()
        await operation.commit(Finish(str(kept)))
        await go_on.wait()

    async with opened(tmp_path) as operations:
        begun = await start(operations, body)
        while not await operations.journal.unfinished() or operations.get(begun.id).step != "making":
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        with pytest.raises(Conflict):
            operations.cancel(begun.id)
        go_on.set()
        assert (await operations.wait(begun.id)).state is OperationState.DONE
        assert made.exists()


@asynccontextmanager
async def killed_when_committed(
    tmp_path: Path,
) -> AsyncIterator[tuple[Callable[[], Operations[Any]], Operation, list[object]]]:
    """What makes the next xend's operations after one was killed, the operation that had committed to
    `Finish("/kept")`, and what is carried out.
    """
    database = await Database.open(tmp_path / "xend.sqlite")
    carried_out: list[object] = []

    async def carry_out(record: object) -> None:
        carried_out.append(record)

    def next_xend() -> Operations[Any]:
        return Operations(database, RemoveFile | Finish, carry_out)

    operations = next_xend()
    reached = asyncio.Event()

    async def body(operation: OperationHandle[Any]) -> None:
        async with operation.step("making", undo=RemoveFile("/made")):
            pass
        await operation.commit(Finish("/kept"))
        reached.set()
        await asyncio.Event().wait()

    begun = await operations.start("save", domain="web", uuid="u", who="", body=body)
    await reached.wait()
    yield next_xend, begun, carried_out
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await database.close()


async def test_what_was_committed_is_finished_by_the_next_xend(tmp_path: Path) -> None:
    async with killed_when_committed(tmp_path) as (next_xend, begun, carried_out):
        second = next_xend()
        await second.recover()
        assert carried_out == [Finish("/kept")]
        assert second.get(begun.id).state is OperationState.DONE


async def test_a_xend_killed_while_it_finishes_does_not_have_the_next_one_call_that_undone(
    tmp_path: Path,
) -> None:
    async def killed(operation: Operation) -> None:
        raise KilledError

    async with killed_when_committed(tmp_path) as (next_xend, begun, carried_out):
        second = next_xend()
        second.journal.finish = killed  # type: ignore[method-assign]
        with pytest.raises(KilledError):
            await second.recover()
        third = next_xend()
        await third.recover()
        assert carried_out == [Finish("/kept"), Finish("/kept")]
        assert third.get(begun.id).state is OperationState.DONE
        assert not await third.journal.unfinished()


async def test_an_operation_that_an_undo_brought_to_its_end_is_done(tmp_path: Path) -> None:
    async def taken_away(record: RemoveFile) -> bool:
        await remove(record)
        return record.path.endswith("forced")

    async def body(operation: Handle) -> None:
        path = tmp_path / "forced"
        async with operation.step("taking it away", undo=RemoveFile(str(path))):
            raise HostProblem("too slow")

    async def undone(operation: Handle) -> None:
        async with operation.step("making", undo=RemoveFile(str(tmp_path / "made"))):
            raise HostProblem("broken")

    async with opened(tmp_path, taken_away) as operations:
        first, second = await start(operations, body), await start(operations, undone)
        assert (await operations.wait(first.id)).state is OperationState.DONE
        assert (await operations.wait(second.id)).state is OperationState.FAILED
