"""Certificates: who gets in, who does not, and what both are told."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from domus.client import Client
from domus.client.certificates import Identity, issue, make_ca
from domus.client.conversation import SocketConversation
from domus.model.errors import BadInput, NotFound, Unreachable


def remote(daemon: Any, tmp_path: Path, identity: Identity, *, server_name: str = "host1") -> Client:
    identity.write(tmp_path / "other", "client")
    return Client.remote(
        "127.0.0.1",
        daemon.tls_port,
        ca=daemon.tls_dir / "ca.crt",
        cert=tmp_path / "other" / "client.crt",
        key=tmp_path / "other" / "client.key",
        server_name=server_name,
    )


def test_a_caller_with_a_certificate_is_known_by_its_common_name(
    tls_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "domus.daemon.door"), pytest.raises(NotFound):
        tls_client.domain("web3")
        # it is logged once the answer has left, in xend's thread
        until = time.monotonic() + 10
        while "GET" not in caplog.text and time.monotonic() < until:
            time.sleep(0.01)
    assert "cn:laptop GET /v1/domains/web3 404" in caplog.text


def test_the_connection_is_tls_1_3(tls_client: Client) -> None:
    tls_client.api()
    kept = tls_client.calls.exchange._kept
    assert isinstance(kept, SocketConversation)
    assert isinstance(kept.socket, ssl.SSLSocket)
    assert kept.socket.version() == "TLSv1.3"


def test_a_certificate_of_another_authority_is_refused_and_told_so(
    daemon: Any, tls_client: Client, tmp_path: Path
) -> None:
    stranger = remote(daemon, tmp_path, issue("stranger", make_ca("elsewhere")))
    with pytest.raises(Unreachable) as caught:
        stranger.api()
    assert caught.value.what == "xend refused our certificate"
    tls_client.api()


def test_a_host_of_another_name_is_not_believed(
    daemon: Any, tls_client: Client, tmp_path: Path, authority: Identity
) -> None:
    with pytest.raises(Unreachable, match="wrong certificate"):
        remote(daemon, tmp_path, issue("laptop", authority), server_name="host2").api()


def test_a_host_of_another_authority_is_not_believed(
    daemon: Any, tls_client: Client, tmp_path: Path, authority: Identity
) -> None:
    make_ca("elsewhere").write_certificate(
        daemon.tls_dir / "ca.crt"
    )  # the client reads it, xend has read its own
    with pytest.raises(Unreachable, match="wrong certificate"):
        remote(daemon, tmp_path, issue("laptop", authority)).api()


def test_a_caller_without_a_certificate_gets_nothing(daemon: Any, tls_client: Client) -> None:
    context = ssl.create_default_context(cafile=daemon.tls_dir / "ca.crt")
    with (
        socket.create_connection(("127.0.0.1", daemon.tls_port)) as plain,
        context.wrap_socket(plain, server_hostname="host1") as encrypted,
    ):
        encrypted.sendall(b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert encrypted.recv(100) == b""
        except OSError:
            pass  # an alert, or a reset that overtook it


def test_a_certificate_that_cannot_be_read_is_the_users_mistake(daemon: Any, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.crt"
    with pytest.raises(BadInput, match=r"nowhere\.crt"):
        Client.remote("127.0.0.1", 1, ca=nowhere, cert=nowhere, key=nowhere).api()


def test_without_certificates_nothing_listens(daemon: Any) -> None:
    assert daemon.open_tls() is None


def test_an_incomplete_set_of_certificates_is_named_in_the_log(
    daemon: Any, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.tls_dir.mkdir()
    (daemon.tls_dir / "ca.crt").touch()
    assert daemon.open_tls() is None
    assert "missing: host.crt, host.key" in caplog.text


def test_a_reload_takes_new_certificates_without_closing_the_port(
    daemon: Any, tls_client: Client, tmp_path: Path, authority: Identity
) -> None:
    tls_client.api()
    port = daemon.tls_port
    new = make_ca("new")
    issue("host1", new, hosts=["host1"]).write(daemon.tls_dir, "host")
    new.write_certificate(daemon.tls_dir / "ca.crt")
    assert daemon.open_tls() == port
    remote(daemon, tmp_path, issue("laptop", new)).api()
    with pytest.raises(Unreachable):  # the old authority is no longer believed, by either side
        tls_client.api()


def test_broken_new_certificates_leave_the_old_ones_in_use(
    daemon: Any, tls_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    (daemon.tls_dir / "host.key").write_text("nonsense")
    (daemon.tls_dir / "host.key").chmod(0o600)
    daemon.open_tls()
    assert "unusable certificates" in caplog.text
    tls_client.close()
    tls_client.api()


def test_removed_certificates_close_the_port(daemon: Any, tls_client: Client) -> None:
    port = daemon.tls_port
    for path in daemon.tls_dir.iterdir():
        if path.name.startswith("host") or path.name == "ca.crt":
            path.rename(path.with_suffix(".away"))
    assert daemon.open_tls() is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
