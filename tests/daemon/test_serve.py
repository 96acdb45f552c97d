"""`xm serve`, and `ssh://` that uses it: the API over a pair of pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.client import Client
from domus.client.ssh import SshPeer
from domus.model.errors import BadInput, Unreachable
from tests.daemon.conftest import Daemon

SERVE = [sys.executable, "-m", "domus.cli", "serve"]


@pytest.fixture
def ssh(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An `ssh` that notes how it was called, and reaches this machine."""
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nexec {" ".join(SERVE)}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XEND_SOCKET", str(daemon.socket))
    monkeypatch.delenv("XM_HOST", raising=False)
    yield tmp_path / "called"


def test_piped_in_requests_are_answered(daemon: Daemon) -> None:
    done = subprocess.run(
        SERVE,
        input=b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        env={**os.environ, "XEND_SOCKET": str(daemon.socket)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"api":1' in done.stdout
    assert done.stderr == b""


def test_a_client_through_ssh_asks_and_follows(daemon: Daemon, ssh: Path) -> None:
    daemon.ptys.add("guest", 7)
    with Client(SshPeer("ssh://root@rack1:2222")) as client:
        assert client.api().api == 1
        assert [domain.name for domain in client.domains()] == ["guest"]
    assert ssh.read_text() == "-T -p 2222 -- root@rack1 xm serve\n"


def test_a_console_goes_through_ssh(daemon: Daemon, ssh: Path) -> None:
    master = daemon.ptys.add("guest", 7)
    with Client(SshPeer("ssh://rack1")) as client, client.console("guest") as console:
        os.write(master, b"login: ")
        assert console.receive(20) == b"login: "
        console.send(b"root\r")
        console.receive(0.5)
        assert os.read(master, 100) == b"root\r"


def test_xm_takes_such_an_address_for_a_host(daemon: Daemon, ssh: Path) -> None:
    daemon.ptys.add("guest", 7)
    for words, environment in (
        (["--host", "ssh://rack1"], {}),
        ([], {"XM_HOST": "ssh://rack1"}),
        ([], {"XM_SERVER": "ssh://rack1"}),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "domus.cli", *words, "domid", "guest"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("7\n", "")


def test_an_ssh_that_fails_is_a_host_that_does_not_answer(
    ssh: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin/ssh").write_text("#!/bin/sh\necho 'no route to host' >&2\nexit 255\n")
    with pytest.raises(Unreachable), Client(SshPeer("ssh://rack1")) as client:
        client.api()
    assert "no route to host" in capfd.readouterr().err


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://x@-y", "ssh://h:99x"]
)
def test_what_could_be_an_option_of_ssh_is_no_address(url: str) -> None:
    with pytest.raises(BadInput):
        SshPeer(url)


def test_v_tells_what_is_asked_of_whom(daemon: Daemon) -> None:
    daemon.ptys.add("guest", 7)
    done = subprocess.run(
        [sys.executable, "-m", "domus.cli", "-v", "domid", "guest"],
        env={**os.environ, "XM_HOST": "local", "XEND_SOCKET": str(daemon.socket)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "7\n"
    assert done.stderr.startswith(f"GET /v1/domains/guest of {daemon.socket}: 200, ")
    assert done.stderr.endswith(" ms\n")
