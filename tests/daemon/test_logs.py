"""Where the log goes, and what systemd is told."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.daemon import logs
from domus.daemon.logs import JournalLines, open_logs, stderr_is_journal
from domus.daemon.notify import ready, reloading, stopping
from domus.daemon.routes.host import LOG_LIMIT, tail
from domus.daemon.settings import Settings, parse


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield root
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers = before
    root.setLevel(level)


def test_the_file_has_the_lines_that_xend_always_wrote(tmp_path: Path, root_logger: logging.Logger) -> None:
    path = open_logs(level="info", directory=tmp_path)
    assert path == tmp_path / "xend.log"
    logging.getLogger("domus.test").info("hello")
    line = path.read_text()
    assert line.startswith("[20")
    assert line.endswith(" hello\n")
    assert f" {os.getpid()}] INFO (test_logs:" in line


def test_the_file_is_bounded(
    tmp_path: Path, root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FILE_LIMIT", 1000)
    open_logs(level="info", directory=tmp_path)
    for number in range(200):
        logging.info("line %d", number)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["xend.log", *(f"xend.log.{number}" for number in range(1, 6))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_what_a_guest_wrote_cannot_forge_a_line_or_move_the_cursor(
    tmp_path: Path, root_logger: logging.Logger
) -> None:
    path = open_logs(level="info", directory=tmp_path)
    assert path is not None
    logging.info("name %s", "evil\x1b[2J\r\n[2026-01-01 00:00:00 1] ERROR forged\x9b")
    lines = path.read_text().splitlines()
    assert "\\x1b[2J\\x0d" in lines[0]
    assert lines[1].startswith("\t")
    assert "\x9b" not in path.read_text()


def test_a_directory_that_cannot_be_written_costs_the_file_only(
    tmp_path: Path, root_logger: logging.Logger
) -> None:
    (tmp_path / "file").touch()
    assert open_logs(level="info", directory=tmp_path / "file") is None


def test_lines_for_the_journal_carry_their_priority() -> None:
    record = logging.LogRecord("domus.x", logging.ERROR, "", 1, "one\ntwo", None, None)
    assert JournalLines().format(record) == "<3>domus.x: one\n<3>\ttwo"


def test_standard_error_is_the_journal_only_if_it_is_that_very_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{facts.st_dev}:{facts.st_ino}")
    assert stderr_is_journal()
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert not stderr_is_journal()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_of_start_reload_and_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    address = f"@domus-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        ready("Listening")
        reloading()
        stopping()
        assert systemd.recv(500) == b"READY=1\nSTATUS=Listening"
        assert systemd.recv(500).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(500) == b"STOPPING=1"


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ready("Listening")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    ready("Listening")


def test_the_end_of_a_long_log_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "xend.log"
    path.write_bytes(b"".join(b"line %08d\n" % number for number in range(100_000)))
    text = tail(path)
    assert len(text) <= LOG_LIMIT
    assert text.startswith(b"line ")
    assert text.endswith(b"line 00099999\n")


def test_options_have_the_defaults_of_a_normal_host() -> None:
    assert parse([]) == Settings()


def test_options_are_taken() -> None:
    settings = parse(["--socket", "/tmp/x", "--tls-port", "0", "--no-log-file", "--log-level", "debug"])
    assert (settings.socket, settings.tls_port, settings.log_dir) == (Path("/tmp/x"), 0, None)


@pytest.mark.parametrize("arguments", [["--tls-port", "99999"], ["--sock", "/x"], ["now"]])
def test_wrong_options_end_with_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert "usage: xend" in capsys.readouterr().err
