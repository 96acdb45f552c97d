"""`xm xend-config`: what the user sees of xend's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domus.cli.main import main
from domus.daemon.__main__ import main as xend

Output = pytest.CaptureFixture[str]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "xend-config.sxp"
    path.write_text("(loglevel ERROR)\n(xend-http-server yes)\n(vnc-listen 0.0.0.0)\n")
    return path


def test_migrate_prints_toml_and_warns_of_what_is_gone(capsys: Output, old: Path) -> None:
    assert main(["xend-config", "migrate", str(old)]) == 0
    out, err = capsys.readouterr()
    assert out.partition("\n\n")[2] == '[log]\nlevel = "error"\n\n[guests]\nvnc_listen = "0.0.0.0"\n'
    assert err.startswith(
        f"Warning: {old}:2:1: xend-http-server means nothing today (instead: xend has one API"
    )
    made = old.with_suffix(".toml")
    made.write_text(out)
    assert main(["xend-config", "check", str(made)]) == 0
    assert capsys.readouterr() == (f"{made}: fine\n", "")


def test_the_old_file_is_found_by_the_old_variable(
    capsys: Output, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XEND_CONFIG", str(old))
    assert main(["xend-config", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["log.level"]["value"] == "error"
    assert told["log.level"]["from"] == f"{old}:1"
    assert told["listen.tls_port"] == {
        "value": 8443,
        "default": 8443,
        "from": None,
        "help": "Port for TLS.",
    }


def test_show_is_a_file_that_sets_what_it_shows(capsys: Output, old: Path) -> None:
    assert main(["xend-config", "show", str(old)]) == 0
    out, _ = capsys.readouterr()
    assert '\nlevel = "error"\n' in out
    assert "\n# tls_port = 8443\n" in out


def test_check_tells_each_mistake_and_exits_with_1(capsys: Output, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[log]\nlevel = 1\nlevle = 2\n")
    assert main(["xend-config", "check", str(path)]) == 1
    err = capsys.readouterr().err
    assert f"Error: {path}:2:1: log.level is a text in quotes\n" in err
    assert f"Error: {path}:3:1: unknown setting 'log.levle' (did you mean log.level?)\n" in err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("xend-config", "'xm xend-config' does one of: check, migrate, show"),
        ("xend-config mend", "'xm xend-config' does one of: check, migrate, show"),
        ("xend-config check --json", "--json is for show"),
        ("xend-config check nosuch.toml", "nosuch.toml: cannot be read: No such file or directory"),
        ("xend-config migrate nosuch", "nosuch: cannot be read: No such file or directory"),
    ],
)
def test_wrong_command_lines(capsys: Output, line: str, message: str) -> None:
    assert main(line.split()) == 1
    assert capsys.readouterr().err == f"Error: {message}\n"


def test_xend_does_not_start_with_a_wrong_file_and_says_where(capsys: Output, tmp_path: Path) -> None:
    path = tmp_path / "xend.toml"
    path.write_text("[listen]\ntls_port = -1\n")
    assert xend(["--config", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"xend: {path}:2:1: listen.tls_port is a whole number from 0 to 65535\n"
    )
