"""`xm shell`: its prompt, what it does with a line, what Tab offers."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time
from pathlib import Path

import pytest

from domus.cli import help
from domus.cli.main import main
from domus.cli.shell import GREETING, Completer

Output = pytest.CaptureFixture[str]


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return main(["shell"])


def test_lines_are_subcommands_until_the_end(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type_in(monkeypatch, "nosuch thing\nxm host list\n\nhelp\nlist -y\n'open\n") == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{GREETING}\nxm> *** Unknown command: nosuch\nxm> ")
    assert help.short() in out
    assert out.endswith("xm> \n")
    assert "Error: option -y not recognized\n" in err
    assert "Error: No closing quotation\n" in err


def test_quit_ends_it_and_what_follows_is_not_done(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type_in(monkeypatch, "quit\nnosuch\n") == 0
    assert "nosuch" not in capsys.readouterr().out


def test_tab_offers_what_the_shells_offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.cfg").touch()
    (tmp_path / "folder").mkdir()
    completer = Completer(None)
    assert completer.words([], "unp") == ["unpause "]
    assert completer.words(["xm"], "unp") == ["unpause "]
    assert completer.words(["list"], "--js") == ["--json "]
    assert completer.words(["create"], "we") == ["web.cfg "]
    assert completer.words(["create"], "fo") == ["folder/"]
    assert completer.words(["nosuch"], "") == []
    assert completer.words(["destroy"], "x") == []  # no host answers here


def test_on_a_terminal_tab_completes_and_lines_are_remembered(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(XDG_CONFIG_HOME=str(tmp_path), TERM="dumb", XM_HOST="local")
        os.execv(sys.executable, [sys.executable, "-m", "domus.cli", "shell"])  # noqa: S606
    seen = b""
    deadline = time.monotonic() + 30

    def until(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], seen
            seen += os.read(terminal, 65536)
        seen = seen.partition(text)[2]

    until(b"xm> ")
    os.write(terminal, b"schem\t\r")
    until(b"json-schema.org")
    until(b"xm> ")
    os.write(terminal, b"\x04")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    history = (tmp_path / "domus/shell-history").read_text()
    assert re.search(r"(?m)^schema ?$", history)
