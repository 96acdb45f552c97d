"""The client's side of a connection, with literal packets at the other end of a socket.

What a real xenstored answers is tested in the lab; here is what it cannot be made to do: answer late, in
another order, wrongly, or hang up in the middle.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domus.model.errors import BadInput, OutcomeUnknown, Unreachable, XenStoreError
from domus.xen.xenstore import ConnectionState, XenStore
from domus.xen.xenstore.connection import Connection
from domus.xen.xenstore.transaction import Transaction
from domus.xen.xenstore.transport import Transport
from domus.xen.xenstore.wire import Operation, Packet, PacketReader, WatchEvent, strings


@dataclass
class Peer:
    """The other end of a socket: reads requests, sends what the test says."""

    end: socket.socket
    reader: PacketReader = field(default_factory=PacketReader)
    unread: list[Packet] = field(default_factory=list)

    async def request(self) -> Packet:
        while not self.unread:
            data = await asyncio.get_running_loop().sock_recv(self.end, 65536)
            assert data, "the client hung up"
            self.unread += self.reader.feed(data)
        return self.unread.pop(0)

    def send(self, operation: int, req_id: int, payload: bytes, tx_id: int = 0) -> None:
        self.end.sendall(struct.pack("=IIII", operation, req_id, tx_id, len(payload)) + payload)

    def answer(self, request: Packet, payload: bytes = b"OK\0") -> None:
        self.send(request.operation, request.req_id, payload, request.tx_id)

    def refuse(self, request: Packet, errno_name: str) -> None:
        self.send(Operation.ERROR, request.req_id, strings(errno_name), request.tx_id)


@dataclass
class Line:
    """A connection, its peer, and what the connection reported."""

    connection: Connection
    peer: Peer
    events: list[WatchEvent]
    ends: list[str]


@pytest.fixture
async def dial() -> AsyncIterator[Callable[..., Line]]:
    lines: list[Line] = []

    def make(*, pipelines: bool = True) -> Line:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        events: list[WatchEvent] = []
        ends: list[str] = []
        transport = Transport(ours.detach(), pipelines=pipelines)
        connection = Connection(transport, on_event=events.append, on_end=ends.append)
        lines.append(Line(connection, Peer(theirs), events, ends))
        return lines[-1]

    yield make
    for line in lines:
        line.connection.close()
        line.peer.end.close()


@pytest.fixture
async def line(dial: Callable[..., Line]) -> Line:
    return dial()


def read(connection: Connection, path: str) -> asyncio.Future[bytes]:
    return connection.ask(Operation.READ, strings(path), subject=path)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.005)


async def test_replies_in_another_order_reach_the_right_callers(line: Line) -> None:
    a, b = read(line.connection, "/a"), read(line.connection, "/b")
    first, second = await line.peer.request(), await line.peer.request()
    line.peer.answer(second, b"of b")
    line.peer.answer(first, b"of a")
    assert (await a, await b) == (b"of a", b"of b")


async def test_the_late_reply_of_a_cancelled_request_is_dropped(line: Line) -> None:
    a = read(line.connection, "/a")
    a.cancel()
    b = read(line.connection, "/b")
    first, second = await line.peer.request(), await line.peer.request()
    assert first.req_id != second.req_id
    line.peer.answer(first, b"late")
    line.peer.answer(second, b"of b")
    assert await b == b"of b"
    assert not line.ends


async def test_a_transaction_whose_start_was_cancelled_is_discarded(line: Line) -> None:
    start = asyncio.create_task(Transaction.start(line.connection))
    request = await line.peer.request()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    line.peer.answer(request, b"42\0")
    end = await line.peer.request()
    assert (end.operation, end.tx_id, end.payload) == (Operation.TRANSACTION_END, 42, b"F\0")


async def test_a_refusal_names_the_errno_and_the_path(line: Line) -> None:
    reply = read(line.connection, "/a")
    line.peer.refuse(await line.peer.request(), "EACCES")
    with pytest.raises(XenStoreError) as caught:
        await reply
    assert caught.value.errno_name == "EACCES"
    assert caught.value.for_user() == "/a: XenStore refused READ: EACCES (Permission denied)"


async def test_a_lost_connection_tells_changes_from_questions(line: Line) -> None:
    question = read(line.connection, "/a")
    change = line.connection.ask(Operation.WRITE, b"/a\0x", subject="/a")
    await line.peer.request()
    await line.peer.request()
    line.peer.end.close()
    with pytest.raises(Unreachable):
        await question
    with pytest.raises(OutcomeUnknown):
        await change
    assert line.ends == ["xenstored closed the connection"]
    with pytest.raises(Unreachable):
        read(line.connection, "/a")


@pytest.mark.parametrize(
    ("operation", "difference", "payload"),
    [
        (Operation.READ, 1, b"x"),  # a request that was not made
        (Operation.WRITE, 0, b"OK\0"),  # another operation than asked
        (Operation.ERROR, 0, b"no errno\0"),
        (Operation.ERROR, 0, b"ENOENT"),  # no NUL
        (Operation.WATCH_EVENT, 0, b"/a\0"),  # no token
    ],
)
async def test_a_wrong_reply_ends_the_connection(
    line: Line, operation: int, difference: int, payload: bytes
) -> None:
    reply = read(line.connection, "/a")
    request = await line.peer.request()
    line.peer.send(operation, request.req_id + difference, payload)
    with pytest.raises(Unreachable):
        await asyncio.wait_for(reply, 5)
    assert len(line.ends) == 1
    assert line.connection.ended


async def test_closing_twice_is_closing_once_and_reports_nothing(line: Line) -> None:
    reply = read(line.connection, "/a")
    line.connection.close()
    line.connection.close()
    with pytest.raises(Unreachable):
        await reply
    assert not line.ends


async def test_an_oversized_request_is_refused_and_the_connection_goes_on(line: Line) -> None:
    with pytest.raises(BadInput):
        line.connection.ask(Operation.WRITE, b"x" * 4097, subject="/a")
    reply = read(line.connection, "/a")
    line.peer.answer(await line.peer.request(), b"fine")
    assert await reply == b"fine"


async def test_the_kernels_device_gets_one_request_at_a_time(dial: Callable[..., Line]) -> None:
    line = dial(pipelines=False)
    a, b = read(line.connection, "/a"), read(line.connection, "/b")
    first = await line.peer.request()
    await settle()
    with pytest.raises(BlockingIOError):
        line.peer.end.recv(1)
    line.peer.answer(first, b"of a")
    line.peer.answer(await line.peer.request(), b"of b")
    assert (await a, await b) == (b"of a", b"of b")


async def test_a_peer_that_does_not_read_delays_requests_and_loses_none(line: Line) -> None:
    line.peer.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    value = b"/a\0" + b"x" * 4000
    replies = [line.connection.ask(Operation.WRITE, value) for _ in range(300)]
    for _ in replies:
        request = await line.peer.request()
        assert request.payload == value
        line.peer.answer(request)
    assert {await reply for reply in replies} == {b"OK\0"}


@dataclass
class Server:
    """Listens where xenstored would, and gives each connection to the test."""

    path: str
    arrivals: asyncio.Queue[socket.socket]

    async def accept(self) -> Peer:
        return Peer(await asyncio.wait_for(self.arrivals.get(), 10))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    listening = socket.socket(socket.AF_UNIX)
    listening.setblocking(False)
    listening.bind(str(tmp_path / "socket"))
    listening.listen()
    arrivals: asyncio.Queue[socket.socket] = asyncio.Queue()

    async def serve() -> None:
        while True:
            end, _ = await asyncio.get_running_loop().sock_accept(listening)
            end.setblocking(False)
            arrivals.put_nowait(end)

    serving = asyncio.create_task(serve())
    yield Server(str(tmp_path / "socket"), arrivals)
    serving.cancel()
    listening.close()
    while not arrivals.empty():
        arrivals.get_nowait().close()


async def test_a_watch_outlives_its_connection_and_fires_again(server: Server) -> None:
    async with await XenStore.connect(server.path) as store:
        peer = await server.accept()
        watch = store.watch("/a")
        entering = asyncio.create_task(watch.__aenter__())
        request = await peer.request()
        assert request.payload == strings("/a", watch.token)
        peer.answer(request)
        await entering
        peer.send(Operation.WATCH_EVENT, 0, strings("/a/b", watch.token))
        assert await anext(watch) == "/a/b"

        peer.end.close()
        peer = await server.accept()
        again = await peer.request()
        assert (again.operation, again.payload) == (Operation.WATCH, strings("/a", watch.token))
        peer.answer(again)
        peer.send(Operation.WATCH_EVENT, 0, strings("/a", watch.token))
        assert await anext(watch) == "/a"
        await settle()
        assert store.state is ConnectionState.CONNECTED
        peer.end.close()


async def test_while_the_connection_is_lost_requests_fail_at_once(server: Server) -> None:
    async with await XenStore.connect(server.path) as store:
        (await server.accept()).end.close()
        Path(server.path).unlink()
        await settle()
        assert store.state is ConnectionState.LOST
        with pytest.raises(Unreachable):
            await store.read("/a")


async def test_closing_the_store_ends_its_watches_and_fails_its_requests(server: Server) -> None:
    store = await XenStore.connect(server.path)
    peer = await server.accept()
    watch = store.watch("/a")
    entering = asyncio.create_task(watch.__aenter__())
    peer.answer(await peer.request())
    await entering

    async def collect() -> list[str]:
        return [path async for path in watch]

    collecting = asyncio.create_task(collect())
    reading = asyncio.create_task(store.read("/a"))
    await settle()
    await store.close()
    await store.close()
    assert await collecting == []
    with pytest.raises(Unreachable):
        await reading
    assert store.state is ConnectionState.CLOSED
    peer.end.close()


async def test_a_watch_cancelled_while_it_begins_is_taken_back(server: Server) -> None:
    async with await XenStore.connect(server.path) as store:
        peer = await server.accept()
        watch = store.watch("/a")
        entering = asyncio.create_task(watch.__aenter__())
        await peer.request()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        back = await peer.request()
        assert (back.operation, back.payload) == (Operation.UNWATCH, strings("/a", watch.token))
        peer.end.close()


async def test_a_transaction_in_which_the_body_fails_is_discarded(server: Server) -> None:
    async with await XenStore.connect(server.path) as store:
        peer = await server.accept()

        async def body(tx: Transaction) -> None:
            raise RuntimeError("of the body")

        transaction = asyncio.create_task(store.transaction(body))
        peer.answer(await peer.request(), b"9\0")
        end = await peer.request()
        assert (end.tx_id, end.payload) == (9, b"F\0")
        with pytest.raises(RuntimeError):
            await transaction
        peer.end.close()


@pytest.mark.parametrize("refusal", ["EAGAIN", "EIO"])
async def test_a_transaction_with_others_in_its_way_is_repeated_and_given_up_in_the_end(
    server: Server, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    monkeypatch.setattr("domus.xen.xenstore.client.TRANSACTION_ATTEMPTS", 3)
    async with await XenStore.connect(server.path) as store:
        peer = await server.accept()
        runs = 0

        async def body(tx: Transaction) -> None:
            nonlocal runs
            runs += 1

        transaction = asyncio.create_task(store.transaction(body))
        for _ in range(3):
            peer.answer(await peer.request(), b"9\0")
            peer.refuse(await peer.request(), refusal)
        with pytest.raises(XenStoreError) as caught:
            await transaction
        assert (runs, caught.value.errno_name) == (3, refusal)
        peer.end.close()


async def test_a_host_without_xenstored_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        await XenStore.connect(str(tmp_path / "nothing"))
    assert "does not answer" in caught.value.for_user()
