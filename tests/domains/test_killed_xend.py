"""A process killed at any boundary of the journal leaves all of an operation or nothing of it.

The child below makes files in steps and kills itself (SIGKILL) at its N-th visit of the database, for
each N there is: before and after every commit. Then the journal is recovered by the next process, which
is itself killed at each of its boundaries once.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
import msgspec
from domus.domains.database import Database
from domus.domains.operations import Operations

directory, verb, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
visits = 0

def boundary():
    global visits
    visits += 1
    if visits == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

class Fatal(Database):
    async def write(self, work):
        boundary()
        result = await super().write(work)
        boundary()
        return result

class RemoveFile(msgspec.Struct, frozen=True, tag="remove-file"):
    path: str

async def undo(record):
    boundary()
    Path(record.path).unlink(missing_ok=True)
    boundary()

async def body(operation):
    for name in "abc":
        async with operation.step(name, undo=RemoveFile(str(directory / name))):
            (directory / name).touch()
    if verb == "fail":
        raise OSError

async def main():
    database = await Fatal.open(directory / "xend.sqlite")
    operations = Operations(database, RemoveFile, undo)
    await operations.recover()
    if verb != "recover":
        begun = await operations.start("create", domain="web", uuid="u", who="", body=body)
        await operations.wait(begun.id)
        await operations.close()
    print(*(operation.state for operation in operations.list()))
    await database.close()

asyncio.run(main())
"""


async def child(directory: Path, verb: str, fatal: int) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        directory,
        verb,
        str(fatal),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), f"the child failed: {process.returncode}"
    return process.returncode, out.decode().strip()


def files(directory: Path) -> int:
    return sum((directory / name).exists() for name in "abc")


@pytest.mark.parametrize("verb", ["succeed", "fail"])
async def test_killed_anywhere_it_is_whole_or_undone_after_the_next_start(tmp_path: Path, verb: str) -> None:
    killed, fatal = -signal.SIGKILL, 0
    while killed:
        fatal += 1
        directory = tmp_path / str(fatal)
        directory.mkdir()
        killed, _ = await child(directory, verb, fatal)
        status, states = await child(directory, "recover", 0)
        assert status == 0
        assert states in ("", "failed", "done"), states
        assert files(directory) == (3 if states == "done" else 0), f"killed at visit {fatal}"
    assert fatal > 10, "hardly any boundary was met"


async def test_a_recovery_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    killed, fatal = -signal.SIGKILL, 0
    while killed:
        fatal += 1
        directory = tmp_path / str(fatal)
        directory.mkdir()
        await child(directory, "succeed", 9)  # in its third step
        assert files(directory) >= 2
        killed, _ = await child(directory, "recover", fatal)
        _, states = await child(directory, "recover", 0)
        assert states == "failed"
        assert files(directory) == 0, f"killed at visit {fatal}"
    assert fatal > 6, "hardly any boundary was met"
