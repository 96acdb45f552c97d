"""A real xend without Xen: real sockets, certificates, operations, events, blobs and ptys.

`Ptys` stands where `Domains` does in a whole xend: a list of ptys by name, for the console relay. What
touches Xen is tested in the lab.
"""

from __future__ import annotations

import asyncio
import os
import threading
import tty
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from domus.client import Client
from domus.client.certificates import Identity, issue, make_ca
from domus.daemon.consoles import Consoles
from domus.daemon.listeners import Listeners
from domus.daemon.routes.table import application
from domus.daemon.tls import TlsFiles
from domus.daemon.xend import Xend
from domus.domains.database import Database
from domus.domains.events import EventBus, EventKind
from domus.domains.operations import Operations
from domus.model.domain import DomainInfo, RunState
from domus.model.errors import DomainNotFound, NotFound
from domus.model.operation import Operation
from domus.storage.blobs import BlobStore

T = TypeVar("T")


class Undo(msgspec.Struct, frozen=True, tag=True):
    """Takes a step of these tests back: it is noted, nothing more."""

    what: str


class Ptys:
    """Ptys by name, and the host's real operations and events."""

    def __init__(self, operations: Operations[Undo], events: EventBus) -> None:
        self.operations = operations
        self.events = events
        self.masters: dict[str, int] = {}
        self._infos: dict[str, DomainInfo] = {}
        self._paths: dict[str, str] = {}
        self._ours: set[str] = set()
        self._slaves: dict[str, int] = {}

    def add(self, name: str, domid: int, *, ours: bool = False) -> int:
        """A new pty; returns the side that xenconsoled has of a domain's."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._infos[name] = DomainInfo(name=name, domid=domid, uuid=f"uuid-of-{name}", state=RunState.BLOCKED)
        self._paths[name] = os.ttyname(slave)
        if ours:
            self._ours.add(name)
        self.masters[name] = master
        self._slaves[name] = slave  # xenconsoled keeps it open too, so that nothing is lost before a reader
        return master

    def remove(self, name: str) -> None:
        os.close(self._slaves.pop(name))
        os.close(self.masters.pop(name))
        del self._infos[name]

    async def list(self) -> list[DomainInfo]:
        return sorted(self._infos.values(), key=lambda info: info.name)

    async def get(self, reference: str) -> DomainInfo:
        for info in self._infos.values():
            if reference in (info.name, info.uuid):
                return info
        raise DomainNotFound(f"Domain '{reference}' does not exist.")

    async def console_tty(self, reference: str) -> tuple[DomainInfo, str]:
        info = await self.get(reference)
        return info, self._paths[info.name]

    async def config(self, reference: str) -> object:
        if reference == "a-mistake-of-ours":  # for the test that no traceback gets out
            raise ZeroDivisionError("the inside of xend")
        info = await self.get(reference)
        if info.name not in self._ours:
            raise NotFound(f"xend did not make domain '{info.name}'")
        return info


class Daemon:
    """xend's HTTP side in a thread of its own, with its event loop."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "xend.sock"
        self.tls_dir = directory / "tls"
        self.tls_port: int | None = None
        self.undone: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.do(self._open())

    async def _open(self) -> None:
        self._database = await Database.open(self.directory / "state.db")
        self.events = await EventBus.open(self._database)
        self.operations: Operations[Undo] = Operations(self._database, Undo, self._undo)
        self.ptys = Ptys(self.operations, self.events)
        self.consoles = Consoles(self.ptys)
        stand_in: Any = self.ptys
        self.xend = Xend(
            domains=stand_in,
            libxl=stand_in,
            blobs=BlobStore(self.directory / "blobs"),
            consoles=self.consoles,
            log_file=None,
            stopping=self._loop.create_future(),
        )
        self.listeners = Listeners(application(self.xend))
        await self.listeners.open_unix(self.socket)

    async def _undo(self, record: Undo) -> None:
        self.undone.append(record.what)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in xend's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in xend's event loop."""

        async def work() -> T:
            return function(*arguments)

        return self.do(work())

    def open_tls(self) -> int | None:
        """What SIGHUP does."""
        self.tls_port = self.do(
            self.listeners.open_tls(TlsFiles(self.tls_dir), address="127.0.0.1", port=self.tls_port or 0)
        )
        return self.tls_port

    def publish(self, kind: EventKind, **facts: Any) -> None:
        async def work() -> None:
            self.events.publish(kind, **facts)
            await self.events.close()  # waits until it is on disk; nothing else ends

        self.do(work())

    def start(self, kind: str, body: Callable[[Any], Any]) -> Operation:
        return self.do(self.operations.start(kind, domain="guest", uuid="", who="uid:0", body=body))

    def client(self) -> Client:
        return Client.local(str(self.socket))

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        if not self.xend.stopping.done():
            self.xend.stopping.set_result(None)
        await self.listeners.close(within=2)
        await self.consoles.close()
        await self.operations.close()
        await self.events.close()
        await self._database.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.close()


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with daemon.client() as client:
        yield client


@pytest.fixture(scope="session")
def authority() -> Identity:
    return make_ca("test")


@pytest.fixture
def tls_client(daemon: Daemon, authority: Identity, tmp_path: Path) -> Iterator[Client]:
    """A client named "laptop", after the daemon got its certificates."""
    issue("host1", authority, hosts=["host1"]).write(daemon.tls_dir, "host")
    authority.write_certificate(daemon.tls_dir / "ca.crt")
    issue("laptop", authority).write(tmp_path / "laptop", "client")
    port = daemon.open_tls()
    assert port is not None
    with Client.remote(
        "127.0.0.1",
        port,
        ca=daemon.tls_dir / "ca.crt",
        cert=tmp_path / "laptop" / "client.crt",
        key=tmp_path / "laptop" / "client.key",
        server_name="host1",
    ) as client:
        yield client
