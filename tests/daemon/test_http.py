"""What every request meets: errors, limits, who is calling."""

from __future__ import annotations

import json
import logging
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from domus.client import Client
from domus.daemon.errors import HTTP_STATUS, status_of
from domus.model import errors
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig
from domus.model.errors import BadInput, DomainNotFound, DomusError, Internal, LibxlError, NotFound


def raw(path: Path, request: bytes) -> bytes:
    """The answer to some bytes, whatever they are."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(os.fspath(path))
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def problem_in(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem: dict[str, Any] = json.loads(body)
    return problem


def test_xend_says_who_it_is(client: Client) -> None:
    info = client.api()
    assert (info.api, info.host) == (1, os.uname().nodename)


def test_one_connection_serves_many_calls(client: Client) -> None:
    client.api()
    first = client.calls.exchange._kept
    client.api()
    assert client.calls.exchange._kept is first is not None


def test_an_error_comes_out_of_the_client_as_the_class_that_xend_raised(client: Client) -> None:
    with pytest.raises(DomainNotFound) as caught:
        client.domain("web3")
    assert caught.value.for_user() == "Domain 'web3' does not exist."
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["a/b", "", "ä", "a b", "%2F", "..", "x" * 300])
def test_any_text_can_be_asked_for_as_a_domain(client: Client, name: str) -> None:
    with pytest.raises(DomainNotFound) as caught:
        client.domain(name)
    assert caught.value.what == f"Domain '{name}' does not exist."


def test_every_error_has_a_status_and_the_most_specific_one_wins() -> None:
    for kind in errors.BY_CODE.values():
        assert 400 <= status_of(kind) < 600
    assert status_of(DomainNotFound) == HTTP_STATUS[NotFound] == 404
    assert status_of(LibxlError) == 502


def test_a_mistake_of_ours_reaches_the_log_and_never_the_caller(
    client: Client, daemon: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Internal) as caught:
        client.config("a-mistake-of-ours")
    assert "inside" not in caught.value.for_user()
    assert "ZeroDivisionError" in caplog.text


def test_an_unknown_field_is_refused_by_name(daemon: Any) -> None:
    body = b'{"config": {"name": "g", "brigde": 1}}'
    head = b"POST /v1/domains HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    problem = problem_in(raw(daemon.socket, head + body))
    assert problem["type"] == "bad-input"
    assert "brigde" in problem["title"]
    assert problem["where"] == "config"


@pytest.mark.parametrize(
    ("body", "where", "word"),
    [
        (b'{"config": {"name": "g", "memory_mib": "much"}}', "config.memory_mib", "int"),
        (b'{"config": {"name": "g", "disks": [{}]}}', "config.disks[0]", "vdev"),
        (b'{"config": ', "body", "JSON"),
        (b"\xff\xfe", "body", ""),
        (b"[" * 60000, "body", ""),
    ],
)
def test_a_wrong_body_is_a_problem_with_the_field_named(
    daemon: Any, body: bytes, where: str, word: str
) -> None:
    head = b"POST /v1/domains HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    answer = raw(daemon.socket, head + body)
    problem = problem_in(answer)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert problem["where"] == where
    assert word in problem["title"]


def test_a_body_above_the_limit_is_refused_before_it_is_read(client: Client) -> None:
    with pytest.raises(BadInput, match="65536 bytes"):
        client.create(CreateRequest(config=DomainConfig(name="g", cmdline="x" * 70_000)))


def test_a_head_without_end_is_refused(daemon: Any) -> None:
    answer = raw(daemon.socket, b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 50_000)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_long_but_complete_head_is_refused(daemon: Any) -> None:
    answer = raw(daemon.socket, b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 50_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert problem_in(answer)["type"] == "bad-input"


def test_what_is_not_http_gets_a_problem(daemon: Any) -> None:
    answer = raw(daemon.socket, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert problem_in(answer)["type"] == "bad-input"


def test_a_page_of_another_site_may_not_call_xend(daemon: Any) -> None:
    ask = b"GET /v1 HTTP/1.1\r\nHost: host1\r\nOrigin: https://%s\r\nConnection: close\r\n\r\n"
    assert problem_in(raw(daemon.socket, ask % b"evil.example"))["type"] == "forbidden"
    assert raw(daemon.socket, ask % b"host1").startswith(b"HTTP/1.1 200 ")


def test_a_wrong_method_is_told_the_right_ones(daemon: Any) -> None:
    answer = raw(daemon.socket, b"PATCH /v1/domains HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"allow: GET, POST" in answer


def test_an_unknown_path_is_a_problem_too(client: Client) -> None:
    with pytest.raises(NotFound, match="no such path"):
        client.calls.ask("GET", "/v2")


def test_the_log_names_caller_method_path_and_status_of_what_changes_or_fails(
    daemon: Any, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "domus.daemon.door"):
        client.api()
        with pytest.raises(DomusError):
            client.calls.ask("POST", "/v1/nowhere%0Aforged")
        client.close()
        daemon.close()  # the line is written after the answer
    lines = [record.getMessage() for record in caplog.records if record.name == "domus.daemon.door"]
    assert len(lines) == 1
    assert lines[0].startswith(f"uid:{os.getuid()} POST /v1/nowhere%0Aforged 404 ")
    assert lines[0].endswith(" ms")
