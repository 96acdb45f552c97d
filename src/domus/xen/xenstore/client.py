"""The XenStore client of the event loop: all operations, watches that survive, transactions that retry."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from enum import StrEnum
from typing import Final, Self, TypeVar

from domus.model.errors import DomusError, Unreachable, XenStoreError
from domus.xen.xenstore import wire
from domus.xen.xenstore.connection import Connection
from domus.xen.xenstore.nodes import Nodes, printable
from domus.xen.xenstore.paths import check_watchable
from domus.xen.xenstore.transaction import Transaction
from domus.xen.xenstore.transport import DEVICE, SOCKET, open_transport
from domus.xen.xenstore.watch import Watch
from domus.xen.xenstore.wire import Operation

T = TypeVar("T")

_log: Final = logging.getLogger("domus.xenstore")

#: how often a transaction is begun anew because others were in its way
TRANSACTION_ATTEMPTS: Final = 30
_RETRY_WITHIN: Final = 0.1  # seconds, the longest pause between two attempts

#: What xenstored says when others were in a transaction's way. EIO: of a node that is to be removed somebody
#: else removed a part since the transaction first looked at it (tools/xenstored/core.c, rm_node).
_IN_THE_WAY: Final = ("EAGAIN", "EIO")

_RECONNECT_FIRST: Final = 0.05  # seconds
_RECONNECT_LAST: Final = 2.0


class ConnectionState(StrEnum):
    """Where the client's connection is."""

    CONNECTED = "connected"  #: requests are answered, watches are registered
    LOST = "lost"  #: requests fail at once; a new connection is being tried
    CLOSED = "closed"  #: the end; nothing works any more


class XenStore(Nodes):
    """XenStore, as one privileged client sees it. For one event loop.

    store = await XenStore.connect()
    await store.read_text("/local/domain/0/name")

    When xenstored goes away, what waits for a reply fails (Unreachable, or OutcomeUnknown for a change),
    what asks meanwhile fails at once, and watches simply go on: they fire once after the new connection.
    """

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._state = ConnectionState.LOST
        self._connection: Connection | None = None
        self._watches: dict[str, Watch] = {}
        self._tokens = itertools.count(1)
        self._reconnecting: asyncio.Task[None] | None = None
        self._repeating = asyncio.Lock()

    @classmethod
    async def connect(cls, path: str | None = None) -> Self:
        """A connected client.

        Args:
            path: xenstored's socket, or a xenbus device; None: the usual ones of this host.

        Raises:
            Unreachable: nobody answers there.
        """
        store = cls((path,) if path else (SOCKET, DEVICE))
        await store._open()
        return store

    @property
    def state(self) -> ConnectionState:
        """Where the connection is now."""
        return self._state

    async def close(self) -> None:
        """End it: requests fail, watches end. May be called twice."""
        if self._state is ConnectionState.CLOSED:
            return
        self._state = ConnectionState.CLOSED
        reconnecting, self._reconnecting = self._reconnecting, None
        if reconnecting is not None:
            reconnecting.cancel()
            await asyncio.wait([reconnecting])
        if self._connection is not None:
            self._connection.close()
        for watch in [*self._watches.values()]:
            watch.end()
        self._watches.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Transactions

    async def transaction(self, body: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `body` in a transaction until it was alone; returns what `body` returned.

        Args:
            body: reads and writes through the transaction that it gets, and has no other effect: it runs
                again when somebody else's change was in the way. What it raises discards its writes. It
                must not begin another transaction.

        Raises:
            XenStoreError: EAGAIN or EIO, after `TRANSACTION_ATTEMPTS` attempts; and what `body` raised.
            OutcomeUnknown: the connection was lost while it was committed.
        """
        met = ""
        for attempt in range(TRANSACTION_ATTEMPTS):
            # Who was in somebody's way waits for its turn among ours, so that those meet no more.
            async with self._repeating if attempt else nullcontext():
                try:
                    return await self._transact(body)
                except XenStoreError as error:
                    if error.errno_name not in _IN_THE_WAY:
                        raise
                    met = error.errno_name
            # Two who meet again and again part when they wait for different times.
            await asyncio.sleep(random.uniform(0, min(0.001 * 2**attempt, _RETRY_WITHIN)))  # noqa: S311
        raise XenStoreError(
            "a XenStore transaction met other changes every time",
            hint=f"given up after {TRANSACTION_ATTEMPTS} attempts; who writes there without end?",
            errno_name=met,
        )

    async def _transact(self, body: Callable[[Transaction], Awaitable[T]]) -> T:
        transaction = await Transaction.start(self._live())
        try:
            result = await body(transaction)
        except BaseException:
            transaction.discard()
            raise
        await transaction.commit()
        return result

    # Watches

    def watch(self, path: str) -> Watch:
        """A watch on `path` and all below it, or on an event such as "@releaseDomain".

        It begins with `async with`; see `Watch`.
        """
        return Watch(self, check_watchable(path), f"domus-{next(self._tokens)}")

    async def start_watch(self, watch: Watch) -> None:
        """Register a watch. `Watch` calls this."""
        connection = self._live()
        self._watches[watch.token] = watch
        try:
            await self._register(connection, watch)
        except BaseException:
            self.stop_watch(watch)
            raise

    def stop_watch(self, watch: Watch) -> None:
        """Forget a watch. `Watch` calls this."""
        watch.end()
        if self._watches.pop(watch.token, None) and self._connection is not None:
            # Also of one whose registration was cancelled: requests are carried out in their order.
            self._connection.post(Operation.UNWATCH, wire.strings(watch.path, watch.token))

    # Domains, as xenstored knows them; all but the first two are for the control domain

    async def domain_path(self, domid: int) -> str:
        """The path of a domain's own nodes, such as "/local/domain/5"."""
        return wire.first_string(await self._domain(Operation.GET_DOMAIN_PATH, domid))

    async def is_introduced(self, domid: int) -> bool:
        """Whether xenstored talks to this domain."""
        return wire.first_string(await self._domain(Operation.IS_DOMAIN_INTRODUCED, domid)) == "T"

    async def introduce(self, domid: int, gfn: int, event_channel: int) -> None:
        """Let xenstored talk to a domain; fires "@introduceDomain".

        Args:
            gfn: number of the domain's page that holds the ring.
            event_channel: the domain's unbound end.
        """
        await self._domain(Operation.INTRODUCE, domid, gfn, event_channel)

    async def release(self, domid: int) -> None:
        """Let xenstored no longer talk to a domain; fires "@releaseDomain"."""
        await self._domain(Operation.RELEASE, domid)

    async def resume(self, domid: int) -> None:
        """Let "@releaseDomain" fire again when this domain shuts down once more."""
        await self._domain(Operation.RESUME, domid)

    async def set_target(self, domid: int, target: int) -> None:
        """Give `domid` (a stub domain) the rights of the domain that it serves."""
        await self._domain(Operation.SET_TARGET, domid, target)

    async def reset_watches(self) -> None:
        """Drop all watches and transactions of this connection, and register our watches anew."""
        connection = self._live()
        await connection.ask(Operation.RESET_WATCHES, b"\0")
        await self._register_all(connection)

    async def control(self, command: str, *parameters: str) -> str:
        """Send a command to xenstored itself; which there are differs by version ("help" lists them)."""
        reply = await self._ask(Operation.CONTROL, wire.strings(command, *parameters), command, None)
        return "\n".join(printable(line) for line in reply.rstrip(b"\0").split(b"\n"))

    async def quota(self, domid: int, name: str) -> int:
        """How much of something a domain may have (Xen 4.22 on; an older oxenstored is silent)."""
        payload = wire.strings(str(domid), name)
        reply = await self._ask(Operation.GET_QUOTA, payload, f"quota {name} of domain {domid}", None)
        return int(reply.rstrip(b"\0"))

    async def set_quota(self, domid: int, name: str, value: int) -> None:
        """Set it; 0: as much as it likes."""
        payload = wire.strings(str(domid), name, str(value))
        await self._ask(Operation.SET_QUOTA, payload, f"quota {name} of domain {domid}", None)

    def _domain(self, operation: Operation, domid: int, *more: int) -> asyncio.Future[bytes]:
        payload = wire.strings(str(domid), *(str(number) for number in more))
        return self._ask(operation, payload, f"domain {domid}", None)

    # The connection

    def _ask(
        self, operation: Operation, payload: bytes, subject: str, tx: Transaction | None
    ) -> asyncio.Future[bytes]:
        if tx is not None:
            return tx.ask(operation, payload, subject)
        return self._live().ask(operation, payload, subject=subject)

    def _live(self) -> Connection:
        if self._connection is None or self._connection.ended:
            doing = "closed" if self._state is ConnectionState.CLOSED else "lost; a new one is being tried"
            raise Unreachable(f"the connection to XenStore is {doing}")
        return self._connection

    async def _open(self) -> None:
        """Connect and register the watches that there are."""
        transport = await open_transport(self._paths)
        self._paths = (transport.path,)  # it stays where it was found first: see `transport`
        if self._state is ConnectionState.CLOSED:
            transport.close()
            raise Unreachable("the connection to XenStore is closed")
        connection = Connection(transport, on_event=self._event, on_end=self._lost)
        self._connection = connection
        await self._register_all(connection)
        if connection.ended:
            raise Unreachable(f"XenStore does not stay connected: {connection.ended}")
        self._state = ConnectionState.CONNECTED

    def _register(self, connection: Connection, watch: Watch) -> asyncio.Future[bytes]:
        return connection.ask(Operation.WATCH, wire.strings(watch.path, watch.token), subject=watch.path)

    async def _register_all(self, connection: Connection) -> None:
        watches = [*self._watches.values()]
        replies = [self._register(connection, watch) for watch in watches]
        for watch, answer in zip(
            watches, await asyncio.gather(*replies, return_exceptions=True), strict=True
        ):
            if isinstance(answer, XenStoreError):
                self._watches.pop(watch.token, None)
                watch.end(answer)

    def _event(self, event: wire.WatchEvent) -> None:
        watch = self._watches.get(event.token)
        if watch is not None:  # else it was on its way when the watch ended
            watch.fire(event.path)

    def _lost(self, why: str) -> None:
        if self._state is ConnectionState.CONNECTED:
            _log.warning("lost the connection to XenStore: %s", why)
            self._state = ConnectionState.LOST
            self._reconnecting = asyncio.create_task(self._reconnect(), name="xenstore-reconnect")

    async def _reconnect(self) -> None:
        pause = _RECONNECT_FIRST
        while self._state is ConnectionState.LOST:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _RECONNECT_LAST)
            try:
                await self._open()
            except DomusError as error:
                _log.debug("XenStore: %s", error.what)
            else:
                _log.info("connected to XenStore again")
