"""What a client says when the other end of its connection breaks, at every moment at which it can."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from domus.client import Client, following
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig
from domus.model.errors import Busy, DomusError, OutcomeUnknown, Unreachable
from domus.model.operation import Operation, OperationState

Serve = Callable[[socket.socket], None]

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
CREATE = CreateRequest(config=DomainConfig(name="g"))


class Peer:
    """A socket that serves each connection by the next of some functions, and counts requests."""

    def __init__(self, path: Path, *serve: Serve) -> None:
        self.client = Client.local(os.fspath(path))
        self.served = 0
        self._serve = serve
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(os.fspath(path))
        self._listening.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for serve in self._serve:
            connection, _ = self._listening.accept()
            self.served += 1
            with connection:
                serve(connection)
        self._listening.close()


def answer(*answers: bytes) -> Serve:
    """One answer per request, then the end."""

    def serve(connection: socket.socket) -> None:
        for each in answers:
            connection.recv(65536)
            connection.sendall(each)

    return serve


hang_up = answer(b"")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xend.sock"


def test_a_change_whose_answer_never_came_may_have_happened(path: Path) -> None:
    peer = Peer(path, hang_up, answer(EMPTY))
    with pytest.raises(OutcomeUnknown) as caught:
        peer.client.create(CREATE)
    assert "look with xm list before repeating it" in caught.value.for_user()
    assert peer.served == 1  # it was not sent twice


def test_a_change_whose_answer_is_cut_off_may_have_happened(path: Path) -> None:
    with pytest.raises(OutcomeUnknown):
        Peer(path, answer(b"HTTP/1.1 202 Acc")).client.create(CREATE)


def test_a_question_on_a_kept_connection_that_died_is_asked_again(path: Path) -> None:
    peer = Peer(path, answer(EMPTY, b""), answer(EMPTY))
    assert peer.client.domains() == []
    assert peer.client.domains() == []
    assert peer.served == 2


def test_a_question_that_gets_no_answer_is_not_asked_for_ever(path: Path) -> None:
    peer = Peer(path, hang_up, answer(EMPTY))
    with pytest.raises(Unreachable):
        peer.client.domains()
    assert peer.served == 1


@pytest.mark.parametrize("nonsense", [b"SSH-2.0-OpenSSH_10.0\r\n", b"HTTP/1.1 two hundred\r\n\r\n"])
def test_what_is_no_http_means_that_xend_has_crashed(path: Path, nonsense: bytes) -> None:
    with pytest.raises(Unreachable, match="Xend has probably crashed! Invalid or missing HTTP status code"):
        Peer(path, answer(nonsense)).client.domains()


def test_an_error_that_is_no_problem_is_told_with_its_status(path: Path) -> None:
    text = b"HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"
    with pytest.raises(Unreachable, match=r"Xend has probably crashed! ProtocolError\(503\)"):
        Peer(path, answer(text)).client.domains()


def test_an_answer_of_another_version_is_told_as_such(path: Path) -> None:
    odd = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n[{"name": "g"}'
    with pytest.raises(DomusError, match="does not understand"):
        Peer(path, answer(odd)).client.domains()


def test_an_unknown_kind_of_problem_is_still_an_error(path: Path) -> None:
    body = b'{"type": "from-the-future", "title": "odd", "more": 1}'
    head = b"HTTP/1.1 409 X\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    with pytest.raises(DomusError, match="odd"):
        Peer(path, answer(head + body)).client.domains()


def test_an_answer_before_the_whole_blob_was_sent_is_read(path: Path, tmp_path: Path) -> None:
    missing = b"HTTP/1.1 404 X\r\nDomus-Problem: not-found\r\nContent-Length: 0\r\n\r\n"
    body = b'{"type": "busy", "title": "later"}'
    refusal = b"HTTP/1.1 409 X\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
    refusal += b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    (tmp_path / "big").write_bytes(b"x" * 20_000_000)
    with pytest.raises(Busy, match="later"):
        Peer(path, answer(missing, refusal)).client.put_blob(tmp_path / "big")


def test_following_an_operation_survives_a_xend_that_is_started_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    running = head + b'data: {"id":"7","kind":"create","state":"running"}\n\n'
    failed = head + b'data: {"id":"7","kind":"create","state":"failed"}\n\n'
    peer = Peer(path, answer(running), hang_up, answer(failed))
    begun = Operation(id="7", kind="create", state=OperationState.RUNNING)
    states = [operation.state for operation in peer.client.follow(begun)]
    assert states == [OperationState.RUNNING, OperationState.FAILED]


def test_following_an_operation_ends_when_xend_stays_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FOLLOW_WITHIN", 0.0)
    begun = Operation(id="7", kind="create", domain="g", state=OperationState.RUNNING)
    with pytest.raises(OutcomeUnknown, match="lost xend during create of g"):
        Client.local(os.fspath(path)).finish(begun)
