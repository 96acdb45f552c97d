"""xend's API over a line into a lab host: as good as a socket, and TLS when there is none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from domus.client import Client
from domus.lab import line
from domus.lab.api_line import ApiLine
from domus.lab.host import LabHost
from domus.model.errors import DomainNotFound, Unreachable

pytestmark = pytest.mark.lab


@pytest.fixture
def client(lab_host: LabHost) -> Iterator[Client]:
    client = lab_host.client()
    yield client
    client.close()


def kept(client: Client) -> object:
    return client.calls.exchange._kept


def test_requests_go_over_a_line_which_is_kept(client: Client) -> None:
    assert [domain.name for domain in client.domains()] == ["Domain-0"]
    first = kept(client)
    assert isinstance(first, ApiLine)
    with pytest.raises(DomainNotFound):
        client.domain("nope")
    client.host()
    assert kept(client) is first


def test_a_large_body_arrives_whole(client: Client, lab_host: LabHost, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "blob").write_bytes(content)
    digest = client.put_blob(tmp_path / "blob").removeprefix("sha256:")
    stored = lab_host.run(["sh", "-c", f"sha256sum /var/lib/domus/blobs/{digest}*"]).stdout
    assert stored.startswith(hashlib.sha256(content).hexdigest())


def test_without_a_free_line_it_is_tls(client: Client, lab_host: LabHost) -> None:
    with ExitStack() as stack:
        taken = [line.take(os.fspath(lab_host.folder)) for _ in range(line.LINES)]
        for each in taken:
            assert each is not None
            stack.callback(each.close)
        assert line.take(os.fspath(lab_host.folder)) is None
        assert [domain.name for domain in client.domains()] == ["Domain-0"]
        assert not isinstance(kept(client), ApiLine)


def test_an_xend_that_was_started_anew_is_found_again(client: Client, lab_host: LabHost) -> None:
    client.domains()
    lab_host.run(["sh", "-c", "kill -9 $(cat /run/domus/xend.pid)"])
    said = ""
    try:
        client.domains()
    except Unreachable as error:
        said = error.what
    # A killed process ends a moment later, and so long the kernel accepts connections in its name.
    reasons = ("Connection refused", "the connection ended without an answer")
    assert said in ("", *(f"Unable to connect to xend: {reason}. Is xend running?" for reason in reasons))
    lab_host._wait_for_xend()
    assert [domain.name for domain in client.domains()] == ["Domain-0"]
