"""Consoles over real ptys: readers, one writer, scroll-back, and every way in which a stream ends."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Any

import pytest

from domus.client import Client
from domus.client.console import ConsoleStream
from domus.daemon import consoles as consoles_module
from domus.daemon import relay as relay_module
from domus.domains.events import EventKind
from domus.model.errors import DomainNotFound, InUse, Unreachable
from domus.model.operation import Event


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles_module, "GRACE", 0.2)


def read(console: ConsoleStream, count: int) -> bytes:
    """That many bytes of a console, or what there is after five seconds."""
    data = b""
    deadline = time.monotonic() + 5
    while len(data) < count and (piece := console.receive(deadline - time.monotonic())):
        data += piece
    return data


def typed(master: int, count: int) -> bytes:
    """That many bytes that came out at xenconsoled's side."""
    data = b""
    while len(data) < count and select.select([master], [], [], 5)[0]:
        data += os.read(master, 65536)
    return data


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(params=["local", "tls"])
def caller(request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue("client" if request.param == "local" else "tls_client")
    return client


def test_what_the_guest_prints_arrives_as_it_is(daemon: Any, caller: Client) -> None:
    master = daemon.ptys.add("g", 5)
    with caller.console("g") as console:
        assert console.attached is not None
        assert (console.attached.domid, console.attached.write) == (5, True)
        everything = bytes(range(256)) * 8
        os.write(master, everything)
        assert read(console, len(everything)) == everything


def test_what_is_typed_arrives_as_it_is_and_is_not_echoed(daemon: Any, caller: Client) -> None:
    master = daemon.ptys.add("g", 5)
    with caller.console("g") as console:
        everything = bytes(range(256))
        console.send(everything)
        assert typed(master, 256) == everything
        assert console.receive(0.2) is None


def test_all_readers_see_the_same(daemon: Any, client: Client) -> None:
    master = daemon.ptys.add("g", 5)
    with client.console("g") as one, client.console("g", write=False) as two:
        os.write(master, b"login: ")
        assert read(one, 7) == read(two, 7) == b"login: "


def test_a_second_writer_is_turned_away_and_told_who_writes(daemon: Any, client: Client) -> None:
    daemon.ptys.add("g", 5)
    with client.console("g"):
        with pytest.raises(InUse, match=f"uid:{os.getuid()} writes to the console of g"):
            client.console("g")
        client.console("g", write=False).close()


def test_the_next_may_write_when_the_writer_has_left(daemon: Any, client: Client) -> None:
    daemon.ptys.add("g", 5)
    client.console("g").close()
    eventually(lambda: not daemon.consoles._relays)
    client.console("g").close()


def test_what_a_mere_reader_types_goes_nowhere(daemon: Any, client: Client) -> None:
    master = daemon.ptys.add("g", 5)
    with client.console("g", write=False) as console:
        console.send(b"rm -rf /\n")
        time.sleep(0.2)
        with pytest.raises(BlockingIOError):
            os.read(master, 100)


def test_scroll_back_holds_the_last_64_kib_from_the_start_of_a_domain_of_ours(
    daemon: Any, client: Client
) -> None:
    master = daemon.ptys.add("g", 5, ours=True)
    daemon.do(daemon.consoles.start())
    eventually(lambda: bool(daemon.consoles._relays))
    printed = b"".join(b"line %06d\n" % number for number in range(8000))
    for begin in range(0, len(printed), 1000):
        select.select([], [master], [], 5)
        os.write(master, printed[begin : begin + 1000])
    time.sleep(0.3)
    with client.console("g", write=False) as console:
        assert read(console, 65536) == printed[-65536:]
    with client.console("g", write=False, scrollback=False) as console:
        assert console.receive(0.2) is None


def test_the_pty_of_a_domain_that_xl_made_is_held_only_while_somebody_listens(
    daemon: Any, client: Client
) -> None:
    daemon.ptys.add("g", 5)
    with client.console("g"):
        assert [relay.is_open for relay in daemon.consoles._relays.values()] == [True]
    eventually(lambda: not daemon.consoles._relays)


def test_a_reader_that_is_too_slow_is_dropped_and_the_others_go_on(
    daemon: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "READER_LIMIT", 30_000)
    master = daemon.ptys.add("g", 5)
    with client.console("g") as quick, client.console("g", write=False) as slow:
        sent = 0
        while sent < 4_000_000:
            select.select([], [master], [], 5)
            sent += os.write(master, b"x" * 4000)
            if len(read(quick, 1)) == 0:
                break
        os.write(master, b"end")
        with pytest.raises(Unreachable, match="too much output"):
            while slow.receive(5):
                pass
        seen = b""
        while not seen.endswith(b"end"):
            seen = (seen + read(quick, 1))[-10:]


def test_a_console_that_types_faster_than_the_guest_reads_waits_and_loses_nothing(
    daemon: Any, client: Client
) -> None:
    master = daemon.ptys.add("g", 5)
    text = bytes(number % 251 for number in range(200_000))
    with client.console("g") as console:
        console.send(text[:60_000])
        console.send(text[60_000:110_000])
        got = b""
        for begin in range(110_000, len(text), 10_000):
            got += typed(master, 3_000)
            console.send(text[begin : begin + 10_000])
        while len(got) < len(text):
            console.receive(0)
            got += typed(master, 1)
    assert got == text


def test_the_end_of_a_domain_ends_every_stream_after_its_last_words(daemon: Any, client: Client) -> None:
    master = daemon.ptys.add("g", 5)
    with client.console("g") as one, client.console("g", write=False) as two:
        os.write(master, b"Power down\n")
        time.sleep(0.1)
        daemon.ptys.remove("g")
        for console in (one, two):
            assert b"".join(console) == b"Power down\n"
            assert console.end == "domain ended"
    assert not daemon.consoles._relays


def tell(daemon: Any, kind: EventKind, **detail: str) -> None:
    """Something happened to "g"."""
    event = Event(revision=1, time=0, kind=kind, domain="g", uuid="uuid-of-g", detail=detail)
    daemon.call(daemon.consoles.note, event)


def test_the_news_that_a_domain_is_gone_ends_it_too(daemon: Any, client: Client) -> None:
    daemon.ptys.add("g", 5)
    with client.console("g") as console:
        daemon.ptys._infos.clear()
        tell(daemon, EventKind.DOMAIN_DESTROYED)
        assert console.receive(5) == b""


def test_a_reboot_goes_on_in_the_same_stream_with_the_new_domid(daemon: Any, client: Client) -> None:
    first = daemon.ptys.add("g", 5, ours=True)
    with client.console("g") as console:
        os.write(first, b"Restarting system\n")
        assert read(console, 18) == b"Restarting system\n"
        tell(daemon, EventKind.DOMAIN_RESTARTING, delay="0")
        daemon.ptys.remove("g")
        tell(daemon, EventKind.DOMAIN_DESTROYED)
        time.sleep(0.5)
        second = daemon.ptys.add("g", 6, ours=True)
        os.write(second, b"Linux version\n")
        tell(daemon, EventKind.OPERATION_ENDED, operation="restart", state="done")
        assert read(console, 14) == b"Linux version\n"
        assert console.attached is not None
        assert console.attached.domid == 6
        console.send(b"root\n")
        assert typed(second, 5) == b"root\n"


def test_a_restart_that_fails_ends_the_stream(daemon: Any, client: Client) -> None:
    daemon.ptys.add("g", 5, ours=True)
    with client.console("g") as console:
        tell(daemon, EventKind.DOMAIN_RESTARTING, delay="0")
        daemon.ptys.remove("g")
        tell(daemon, EventKind.DOMAIN_DESTROYED)
        assert console.receive(0.5) is None
        tell(daemon, EventKind.OPERATION_ENDED, operation="restart", state="failed")
        assert console.receive(5) == b""


def test_the_console_of_a_domain_that_xend_has_built_is_held_at_once(daemon: Any, client: Client) -> None:
    master = daemon.ptys.add("g", 5, ours=True)
    os.write(master, b"first line\n")
    tell(daemon, EventKind.OPERATION_ENDED, operation="create", state="done")
    eventually(lambda: bool(daemon.consoles._relays))
    for _ in range(2):
        with client.console("g") as console:
            assert read(console, 11) == b"first line\n"


def test_a_new_xenconsoled_is_followed(daemon: Any, client: Client) -> None:
    first = daemon.ptys.add("g", 5)
    with client.console("g") as console:
        second = daemon.ptys.add("g", 5)
        os.close(first)
        eventually(lambda: daemon.consoles._relays["uuid-of-g"].is_open)
        time.sleep(0.3)
        os.write(second, b"still here\n")
        assert read(console, 11) == b"still here\n"


def test_no_console_for_a_domain_that_is_not_there(client: Client) -> None:
    with pytest.raises(DomainNotFound, match="Domain 'nobody' does not exist"):
        client.console("nobody")


def test_a_console_ends_when_xend_stops(daemon: Any, client: Client) -> None:
    daemon.ptys.add("g", 5)
    with client.console("g") as console:
        daemon.close()
        with pytest.raises(Unreachable, match="xend is being stopped"):
            console.receive(10)


def test_text_cannot_be_typed(daemon: Any, client: Client) -> None:
    daemon.ptys.add("g", 5)
    with client.console("g") as console:
        console._protocol.send_text(b"hello")
        console._flush()
        with pytest.raises(Unreachable, match="only binary frames"):
            console.receive(5)


def test_a_plain_request_for_a_console_is_told_what_it_is(client: Client) -> None:
    with pytest.raises(Exception, match="a console is a WebSocket"):
        client.calls.ask("GET", "/v1/domains/g/console")
