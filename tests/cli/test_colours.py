"""Colours: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty

import pytest

from domus.cli.colours import painted


def test_a_pipe_gets_none() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        assert painted("error", "bold red", pipe) == "error"
    os.close(read)
    assert painted("error", "bold red", None) == "error"


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"TERM": "xterm"}, "\x1b[1;31merror\x1b[0m"),
        ({"TERM": "dumb"}, "error"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "error"),
    ],
)
def test_a_terminal_gets_them_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], shown: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        assert painted("error", "bold red", terminal) == shown
        assert painted("", "bold red", terminal) == ""
    os.close(master)
