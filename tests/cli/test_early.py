"""What leaves before the rest of xm is imported: one request, the right one, and only when it is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from domus.cli import early as cli_early
from domus.cli.declared import find
from domus.client import early

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


class Xend:
    """Answers every request on a socket with the same JSON, and remembers what was asked on which."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.asked: list[list[str]] = []
        self._answer = ANSWER % (len(content), content)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(os.fspath(path))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            requests: list[str] = []
            self.asked.append(requests)
            with connection, suppress(ConnectionError):
                while head := connection.recv(65536):
                    requests.append(head.decode().partition(" HTTP")[0])
                    connection.sendall(self._answer)


def xm(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "domus.cli", *words],
        env={**os.environ, "XEND_SOCKET": os.fspath(path), "XM_HOST": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("line", ["list", "list --json"])
def test_what_is_asked_ahead_is_what_the_command_asks(tmp_path: Path, line: str) -> None:
    xend = Xend(tmp_path / "s", b"[]")
    done = xm(tmp_path / "s", *line.split())
    assert done.returncode == 0, done.stderr
    assert xend.asked == [["GET /v1/domains"]]


def test_a_guess_that_was_wrong_does_no_harm(tmp_path: Path) -> None:
    xend = Xend(tmp_path / "s", b"[]")
    done = xm(tmp_path / "s", "list", "-v", "--nonsense")
    assert done.returncode == 1
    assert "nonsense" in done.stderr
    assert xend.asked == [["GET /v1/domains"]]


@pytest.mark.parametrize("line", ["list web", "list -h", "domid web", "destroy web", "", "lab list"])
def test_nothing_is_asked_ahead_that_is_not_certain(
    tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    xend = Xend(tmp_path / "s", b"[]")
    monkeypatch.setenv("XEND_SOCKET", os.fspath(tmp_path / "s"))
    cli_early.begin(line.split())
    assert early.take(os.fspath(tmp_path / "s"), "GET", "/v1/domains") is None
    assert xend.asked == []


def test_a_host_that_is_not_there_is_left_to_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("nowhere", "lab:nowhere", "../x"):
        cli_early.begin(["--host", host, "list"])
        assert early.take("", "GET", "/v1/domains") is None


def test_the_commands_are_there() -> None:
    for name in cli_early.FIRST:
        command = find(name)
        assert command is not None
        assert command.is_here
        assert command.needs_host
