"""The local socket: whose it is, and that there is only one xend."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from domus.client import Client
from domus.client.conversation import SocketConversation
from domus.daemon.locks import Lock, remove_stale_socket
from domus.model.errors import Conflict, DomainNotFound, Unreachable
from domus.programs import start


def test_only_root_and_the_group_may_connect(daemon: Any) -> None:
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o660


def test_the_pid_is_beside_the_socket(daemon: Any) -> None:
    assert daemon.socket.with_suffix(".pid").read_text() == f"{os.getpid()}\n"


def test_the_socket_goes_with_xend(daemon: Any) -> None:
    daemon.close()
    assert not daemon.socket.exists()


def test_what_a_killed_xend_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "xend.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    remove_stale_socket(path)
    assert not path.exists()


def test_a_socket_on_which_somebody_answers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "xend.sock"
    with socket.socket(socket.AF_UNIX) as serving:
        serving.bind(str(path))
        serving.listen()
        with pytest.raises(Conflict, match="another xend answers"):
            remove_stale_socket(path)
    assert path.exists()


def test_a_file_in_the_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "xend.sock"
    path.write_text("precious")
    with pytest.raises(Conflict, match="is no socket"):
        remove_stale_socket(path)
    assert path.read_text() == "precious"


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "xend.pid"
    code = "import pathlib, sys, time; from domus.daemon.locks import Lock; "
    code += "lock = Lock(pathlib.Path(sys.argv[1])); time.sleep(60)"
    holder = start([sys.executable, "-c", code, path])
    try:
        deadline = time.monotonic() + 20
        while not path.exists() or not path.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(Conflict, match=f"another xend is running \\(process {holder.pid}\\)"):
            Lock(path)
    finally:
        holder.kill()
        holder.wait()
    Lock(path).release()
    assert path.read_text() == ""


def test_a_xend_that_does_not_run_is_told_in_xms_words(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        Client.local(str(tmp_path / "xend.sock")).domains()
    assert caught.value.for_user() == "Unable to connect to xend: No such file or directory. Is xend running?"


def test_a_socket_that_nobody_serves_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "xend.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(Unreachable, match=r"Connection refused\. Is xend running"):
        Client.local(str(path)).domains()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which root only can")
def test_other_users_are_told_to_become_root(daemon: Any) -> None:
    daemon.socket.chmod(0o600)
    daemon.directory.chmod(0o755)
    for parent in [daemon.directory, *daemon.directory.parents][:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        with pytest.raises(Unreachable) as caught:
            Client.local(str(daemon.socket)).domains()
    finally:
        os.seteuid(0)
    assert caught.value.for_user() == "Most commands need root access. Please try again as root."


def test_a_kept_connection_that_died_is_made_anew(daemon: Any, client: Client) -> None:
    client.api()
    kept = client.calls.exchange._kept
    assert isinstance(kept, SocketConversation)
    kept.socket.shutdown(socket.SHUT_RDWR)
    client.api()


def test_nothing_wakes_an_idle_xend(daemon: Any, client: Client) -> None:
    """No handles are scheduled in its event loop once a connection has gone."""
    with pytest.raises(DomainNotFound):
        client.domain("g")
    client.close()
    time.sleep(0.3)

    async def scheduled() -> int:
        loop: Any = asyncio.get_running_loop()
        return len([handle for handle in loop._scheduled if not handle.cancelled()])

    assert daemon.do(scheduled()) == 0
