"""`xm vncviewer`: how the user's viewer is started, and who may use the port that is opened for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from domus.cli import vncviewer
from domus.model.errors import HostProblem


def started(name: str, folder: Path, password: str = "") -> vncviewer.Start:
    return vncviewer.VIEWERS[name](f"/usr/bin/{name}", 5907, password, folder)


@pytest.mark.parametrize("name", list(vncviewer.VIEWERS))
def test_every_viewer_is_led_to_the_port(name: str, tmp_path: Path) -> None:
    how = started(name, tmp_path)
    assert how.argv[0] == f"/usr/bin/{name}"
    assert how.argv[-1].endswith(("127.0.0.1::5907", "vnc://127.0.0.1:5907", "127.0.0.1:7"))
    assert (how.env, how.stdin) == ({}, b"")


@pytest.mark.parametrize("name", list(vncviewer.VIEWERS))
def test_a_password_never_stands_on_the_command_line(name: str, tmp_path: Path) -> None:
    how = started(name, tmp_path, "s3cret")
    assert "s3cret" not in " ".join(how.argv)


def test_a_viewer_that_reads_a_file_finds_the_password_there(tmp_path: Path) -> None:
    how = started("remote-viewer", tmp_path, "s3cret")
    assert "port=5907\npassword=s3cret\n" in Path(how.argv[1]).read_text()


def test_without_a_viewer_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostProblem, match="no VNC viewer is installed here") as caught:
        vncviewer.find_viewer()
    assert "--print" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can be become by root only")
@pytest.mark.parametrize(("user", "own"), [(os.getuid(), True), (65534, False)])
def test_another_user_of_this_machine_is_kept_from_the_display(user: int, own: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        connect = (
            "import os, socket, sys\n"
            f"os.setuid({user})\n"  # from here on Python's own modules may be out of reach
            "connection = socket.socket()\n"
            f"connection.connect(('127.0.0.1', {server.getsockname()[1]}))\n"
            "sys.stdin.read()\n"
        )
        with subprocess.Popen([sys.executable, "-c", connect], stdin=subprocess.PIPE) as other:
            viewer, _ = server.accept()
            with viewer:
                assert vncviewer.is_own(viewer) is own
            other.communicate(b"")
