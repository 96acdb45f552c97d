"""One running QEMU: started, recognized again later by anybody, ended."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from domus.lab import line, machine, qmp
from domus.lab.machine import Machine
from domus.lab.record import Process
from domus.model.errors import HostProblem
from domus.programs import start

QMP_SOCKET = "qmp.sock"


#: What ends with us, however we end: prctl(2), PR_SET_PDEATHSIG.
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


def launch(what: Machine, *, boot: bool) -> Process:
    """Start QEMU for `what`; on return it listens on its control socket.

    Args:
        boot: power it on, to make a template, and have it end when this process does; else it waits for
            a saved machine, and lives on by itself.

    Raises:
        HostProblem: it ended at once; the text is what it said.
    """
    what.folder.mkdir(parents=True, exist_ok=True)
    for number in range(line.LINES):
        (what.folder / line.line_name(number)).unlink(missing_ok=True)
    log = what.folder / "qemu.log"
    with machine.listen(what.folder / QMP_SOCKET) as server, log.open("w") as output:
        process = start(
            [
                *(_DIE_WITH_PARENT if boot else ()),
                *machine.command_line(what, qmp_fd=server.fileno(), boot=boot),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(server.fileno(),),
            cwd=what.folder,
            own_session=True,
        )
    started = Process.of(process.pid)
    try:
        qmp.converse(what.folder / QMP_SOCKET, _hello)
    except HostProblem as error:
        started.end()
        said = [line for line in log.read_text(errors="replace").splitlines() if "warning" not in line]
        raise HostProblem(
            f"QEMU did not start: {said[0] if said else error.what}", where=what.folder.name
        ) from error
    except BaseException:
        started.end()
        raise
    return started


async def _hello(say: qmp.Say) -> Any:
    return await say("query-status")


def power_off(folder: Path, process: Process) -> None:
    """End a machine as if its plug was pulled."""
    if not process.alive:
        return

    async def quit_now(say: qmp.Say) -> None:
        await say("quit")

    try:
        qmp.converse(folder / QMP_SOCKET, quit_now, within=3)
    except HostProblem:
        pass  # it is ended the hard way below
    until = time.monotonic() + 2
    while process.alive and time.monotonic() < until:
        time.sleep(0.01)
    process.end()
    process.reap()
