"""`xm` starts fast because it imports what the subcommand needs, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "asyncio argparse ssl websockets http.client email starlette uvicorn cryptography"
    " logging subprocess domus.config domus.lab domus.programs domus.cli.help domus.cli.declared.later"
)


@pytest.mark.parametrize("line", ["list", "pause g", "domid g", "info"])
def test_a_command_for_this_machine_imports_nothing_heavy(line: str) -> None:
    program = (
        "import sys; from domus.cli.main import main; main(sys.argv[1:]);"
        f"print(*(name for name in {HEAVY!r}.split() if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *line.split()], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
