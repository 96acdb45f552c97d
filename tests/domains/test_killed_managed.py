"""A process killed at any boundary of its database loses no managed configuration that it had acknowledged.

The child below defines, changes and imports, says on its output what is done, and kills itself (SIGKILL) at
its N-th visit of the database, for each N there is. Then the database is read by another process.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from domus.domains.database import Database
from domus.domains.definitions import Definitions

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from msgspec.structs import replace
from domus.domains.database import Database
from domus.domains.definitions import Definitions
from domus.model.config import DomainConfig
from domus.model.managed import ExportedDomain, Revision

directory, fatal = Path(sys.argv[1]), int(sys.argv[2])
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

def tell(*words):
    print(*words, flush=True)

async def main():
    database = await Fatal.open(directory / "xend.sqlite")
    definitions = await Definitions.open(database)
    web = DomainConfig(name="web", uuid="u1")
    await definitions.put(web, who="a", what="new")
    tell("u1", 1, "web")
    await definitions.put(replace(web, memory_mib=256), who="a", what="set")
    tell("u1", 2, "web")
    await definitions.put(replace(web, memory_mib=256, name="www"), who="a", what="rename")
    tell("u1", 3, "www")
    history = (Revision(number=7, time=0.0, who="a", what="new", config=DomainConfig(name="db", uuid="u2")),)
    await definitions.replace_all(["u1"], [ExportedDomain(uuid="u2", history=history)])
    tell("u2", 7, "db")
    await definitions.move("u2", "u3", who="xend", what="rename-restart")
    tell("u3", 8, "db")
    await database.close()

asyncio.run(main())
"""


async def child(directory: Path, fatal: int) -> tuple[int, list[tuple[str, int, str]]]:
    """Its exit code, and what it has acknowledged: uuid, revision, name."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        directory,
        str(fatal),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), f"the child failed: {process.returncode}"
    rows = [line.split() for line in out.decode().splitlines()]
    return process.returncode, [(uuid, int(number), name) for uuid, number, name in rows]


async def test_what_was_acknowledged_survives_a_kill_anywhere(tmp_path: Path) -> None:
    steps = [("u1", 1, "web"), ("u1", 2, "web"), ("u1", 3, "www"), ("u2", 7, "db"), ("u3", 8, "db")]
    killed, fatal = -signal.SIGKILL, 0
    while killed:
        fatal += 1
        directory = tmp_path / str(fatal)
        directory.mkdir()
        killed, acknowledged = await child(directory, fatal)
        assert acknowledged == steps[: len(acknowledged)]
        database = await Database.open(directory / "xend.sqlite")
        definitions = await Definitions.open(database)
        kept = [(each.uuid, each.revision.number, each.name) for each in definitions]
        # Either the last step that was acknowledged, or the next one, which was under way; never half of one.
        possible = [[step] for step in steps[max(0, len(acknowledged) - 1) : len(acknowledged) + 1]]
        assert kept in (possible if acknowledged else [[], *possible]), f"killed at visit {fatal}"
        for each in definitions:
            assert (await definitions.history(each.uuid))[-1] == each.revision
        await database.close()
    assert fatal == 11, "not every boundary was met"
