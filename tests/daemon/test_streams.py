"""Operations and events as streams, and what happens to them when xend stops."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import socket
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from domus.client import Client
from domus.daemon import sse
from domus.domains.events import EventKind
from domus.domains.operations import OperationHandle
from domus.model.errors import BadInput, Cancelled, NoCapacity, NotFound, Unreachable
from domus.model.operation import Event, Operation, OperationState


def take(events: Iterator[Event], count: int) -> list[int]:
    return [event.revision for event in itertools.islice(events, count)]


def test_an_operation_is_followed_to_its_end(daemon: Any, client: Client) -> None:
    async def body(handle: OperationHandle[Any]) -> None:
        async with handle.step("building", progress=0.5):
            await asyncio.sleep(0.05)
        handle.result(domid=7)

    seen: list[Operation] = []
    done = client.finish(daemon.start("create", body), seen.append)
    assert (done.state, done.domid) == (OperationState.DONE, 7)
    assert "building" in [each.step for each in seen]


def test_a_failed_operation_raises_what_made_it_fail(daemon: Any, client: Client) -> None:
    async def body(handle: OperationHandle[Any]) -> None:
        raise NoCapacity("needs 512 MiB, 100 MiB are free")

    with pytest.raises(NoCapacity, match="100 MiB are free"):
        client.finish(daemon.start("create", body))


def test_a_cancelled_operation_says_so(daemon: Any, client: Client) -> None:
    async def body(handle: OperationHandle[Any]) -> None:
        await asyncio.sleep(60)

    operation = daemon.start("create", body)
    client.cancel(operation.id)
    with pytest.raises(Cancelled):
        client.finish(operation)


def test_an_operation_that_nobody_knows_is_an_ordinary_error(client: Client) -> None:
    ghost = Operation(id="nope", kind="create", state=OperationState.RUNNING)
    with pytest.raises(NotFound, match="no operation"):
        client.finish(ghost)


def test_events_are_resumed_without_loss(daemon: Any, client: Client) -> None:
    for number in range(1, 6):
        daemon.publish(EventKind.DOMAIN_CREATED, domain=f"g{number}", domid=number)
    assert take(client.events(since=0), 5) == [1, 2, 3, 4, 5]
    assert take(client.events(since=3), 2) == [4, 5]


def test_last_event_id_counts_more_than_since(daemon: Any) -> None:
    for number in range(1, 4):
        daemon.publish(EventKind.DOMAIN_CREATED, domid=number)
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(daemon.socket))
    connection.request("GET", "/v1/events?since=0", headers={"Last-Event-ID": "2"})
    answer = connection.getresponse()
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.readline() == b"id: 3\n"
    connection.close()
    answer.close()


def test_without_a_revision_only_what_happens_from_now_on_is_told(daemon: Any, client: Client) -> None:
    daemon.publish(EventKind.DOMAIN_CREATED, domid=1)
    assert take(client.events(since=0), 1) == [1]
    events = client.events()
    found: list[int] = []
    thread = Thread(target=lambda: found.extend(take(events, 1)))
    thread.start()
    time.sleep(0.3)
    daemon.publish(EventKind.DOMAIN_DESTROYED, domid=1)
    thread.join(10)
    assert found == [2]


@pytest.mark.parametrize("since", [99, 10**18])
def test_a_revision_that_never_was_is_refused(client: Client, since: int) -> None:
    with pytest.raises(NotFound):
        next(client.events(since=since))


def test_a_revision_that_is_no_number_is_refused(client: Client) -> None:
    with pytest.raises(BadInput, match="invalid number"):
        client.calls.ask("GET", "/v1/events?since=-1")


def test_a_listener_without_news_gets_heartbeats(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.05)
    connection, answer = daemon.client().calls.exchange.stream("/v1/events", headers={}, within=5)
    lines = answer.lines()
    assert [next(lines) for _ in range(4)] == [b":", b"", b":", b""]
    connection.close()


def test_a_listener_that_is_too_slow_is_disconnected_not_skipped(
    daemon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "TOO_SLOW", 0.3)
    connection, answer = daemon.client().calls.exchange.stream("/v1/events?since=0", headers={}, within=10)
    for _ in range(300):
        daemon.publish(EventKind.DOMAIN_CREATED, domain="g" * 100, text="x" * 5000)
    time.sleep(1.5)
    revisions = []
    with pytest.raises(Exception) as ending:
        for line in answer.lines():
            if line.startswith(b"id: "):
                revisions.append(int(line[4:]))
    assert ending.type.__name__ in ("BrokenAnswer", "ConnectionResetError")
    assert revisions == list(range(1, len(revisions) + 1))
    assert len(revisions) < 300
    connection.close()


def test_streams_end_when_xend_stops(daemon: Any, client: Client) -> None:
    events = client.events()
    ended: list[BaseException] = []

    def listen() -> None:
        try:
            next(events)
        except Unreachable as error:
            ended.append(error)

    thread = Thread(target=listen)
    thread.start()
    time.sleep(0.3)
    daemon.close()
    thread.join(10)
    assert len(ended) == 1
