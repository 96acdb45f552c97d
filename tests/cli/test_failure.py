"""How failures end: one line, the exit code, never a traceback, and quiet when nobody listens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from domus.cli import declared
from domus.cli.command import Command
from domus.cli.failure import lines_for, report
from domus.cli.main import main
from domus.config.problems import Finding, InvalidConfig
from domus.model.errors import Cancelled, DomainNotFound, NoCapacity

XM = [sys.executable, "-m", "domus.cli"]


def boom(_: object) -> int:
    raise RuntimeError("no such luck")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (DomainNotFound("Domain 'x' does not exist."), 3, "Error: Domain 'x' does not exist.\n"),
        (NoCapacity("no memory", hint="shrink dom0"), 1, "Error: no memory (shrink dom0)\n"),
        (Cancelled("interrupted"), 130, "Error: interrupted\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            PermissionError(13, "Permission denied", "/boot/vmlinuz"),
            1,
            "Error: /boot/vmlinuz: Permission denied\n",
        ),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, text: str
) -> None:
    assert report(error, debug=False) == status
    assert capsys.readouterr() == ("", text)


def test_each_problem_of_a_configuration_is_a_line_with_the_place_below() -> None:
    error = InvalidConfig(
        (
            Finding(what="unknown parameter 'memmory'", where="g.cfg:1:1", source="memmory = 1", caret=1),
            Finding(what="no kernel", where="g.cfg", hint="kernel = PATH"),
        )
    )
    assert lines_for(error) == [
        "Error: g.cfg:1:1: unknown parameter 'memmory'",
        "    memmory = 1",
        "    ^",
        "Error: g.cfg: no kernel (kernel = PATH)",
    ]


@pytest.fixture
def broken_list(monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command(name="list", sentence="", runs="list:run")
    monkeypatch.setattr(declared, "everything", lambda: iter((command,)))
    monkeypatch.setattr(Command, "load", lambda self: boom)


@pytest.mark.usefixtures("broken_list")
def test_a_mistake_of_ours_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 1
    assert capsys.readouterr().err == (
        "Error: a mistake within xm: RuntimeError: no such luck"
        " (the same command after 'xm --debug' shows where; please report it)\n"
    )


@pytest.mark.usefixtures("broken_list")
def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "list"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_unreachable_xend_is_told_in_xms_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 1
    err = capsys.readouterr().err
    assert err in (
        "Error: Unable to connect to xend: No such file or directory. Is xend running?\n",
        "Error: Most commands need root access. Please try again as root.\n",
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*XM, "help"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_reader_of_a_usage_that_goes_away_changes_no_exit_code() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*XM, "check"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"Error: which files?\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*XM, "help"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"Error: No space left on device\n")
