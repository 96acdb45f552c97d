"""Kernels and ramdisks on their way into the host."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from domus.client import Client
from domus.daemon.routes import blobs
from domus.model.errors import BadInput, Conflict, NotFound


def test_a_blob_arrives_whole_and_is_sent_once(
    daemon: Any, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "vmlinuz").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    assert client.put_blob(tmp_path / "vmlinuz") == f"sha256:{digest}"
    assert (daemon.directory / "blobs" / digest).read_bytes() == content
    monkeypatch.setattr(blobs, "BLOB_LIMIT", 10)  # a second upload would fail
    assert client.put_blob(tmp_path / "vmlinuz") == f"sha256:{digest}"


def test_an_empty_file_is_a_blob_too(client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert client.put_blob(tmp_path / "empty").startswith("sha256:e3b0c44298fc1c14")


def test_bytes_with_another_hash_leave_nothing(daemon: Any, client: Client) -> None:
    with pytest.raises(Conflict, match="are not blob"):
        send(client, "0" * 64, b"abc")
    assert list((daemon.directory / "blobs").iterdir()) == []


def test_a_name_that_is_no_hash_is_refused(client: Client) -> None:
    with pytest.raises(BadInput):
        send(client, "nohash", b"abc")


def test_a_blob_that_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        client.calls.ask("HEAD", f"/v1/blobs/{'a' * 64}")


@pytest.mark.parametrize("declared", [True, False])
def test_a_blob_above_the_limit_is_refused_and_leaves_nothing(
    daemon: Any, client: Client, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(blobs, "BLOB_LIMIT", 100_000)
    with pytest.raises(BadInput, match="a blob above"):
        send(client, "0" * 64, b"x" * 30_000_000, declared=declared)
    assert list((daemon.directory / "blobs").iterdir()) == []


def send(client: Client, digest: str, content: bytes, *, declared: bool = True) -> None:
    if declared:
        headers, body = {"Content-Length": str(len(content))}, [content]
    else:
        headers, body = (
            {"Transfer-Encoding": "chunked"},
            [b"%x\r\n" % len(content), content, b"\r\n0\r\n\r\n"],
        )
    client.calls.settle(*client.calls.exchange.ask("PUT", f"/v1/blobs/{digest}", headers=headers, body=body))
