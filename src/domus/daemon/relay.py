"""One domain's console: a pty on one side, its readers and one writer on the other.

xenconsoled holds the master of the pty; we open the slave, as `xl console` does. What the guest prints
is kept in a ring and handed to every reader's own bounded buffer: the guest never waits for a reader,
and a reader that is too slow is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import termios
import tty
from collections import deque
from collections.abc import Callable
from typing import Final

from domus.model.console import ConsoleAttached
from domus.model.errors import InUse, WrongState

log = logging.getLogger(__name__)

#: bytes of what was printed last that are kept per domain
SCROLLBACK: Final = 64 << 10

#: bytes that may wait for one reader
READER_LIMIT: Final = 256 << 10

#: bytes taken from a pty at once; the kernel's buffer for one has 4 KiB (drivers/tty/n_tty.c)
PIECE: Final = 16 << 10


class Reader:
    """Somebody who watches a console, and may be the one who types. Made by `Relay.attach`."""

    def __init__(self, relay: Relay, who: str) -> None:
        self.who = who
        self.reason = ""  #: why its stream ended
        #: done when it was too slow; what waited for it is gone
        self.dropped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._relay = relay
        self._waiting: deque[bytes | ConsoleAttached] = deque()
        self._bytes_waiting = 0
        self._wake = asyncio.Event()
        self._ended = False

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> bytes | ConsoleAttached:
        """What came since the last time: bytes, joined as far as possible, or a notice."""
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        first = self._waiting.popleft()
        if isinstance(first, ConsoleAttached):
            return first
        pieces = [first]
        while self._waiting and isinstance(self._waiting[0], bytes):
            pieces.append(self._waiting.popleft())  # type: ignore[arg-type]
        data = b"".join(pieces)
        self._bytes_waiting -= len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Type `data`; returns when the guest's side has taken it. Nothing happens for mere readers."""
        if self._relay.writer is self:
            await self._relay.write(data)

    def feed(self, item: bytes | ConsoleAttached) -> None:
        """Queue something for it."""
        if self.dropped.done():
            return
        if isinstance(item, bytes):
            self._bytes_waiting += len(item)
            if self._bytes_waiting > READER_LIMIT:
                log.warning("%s reads the console of %s too slowly", self.who, self._relay.name)
                self._waiting.clear()
                self.dropped.set_result(None)
                return
        self._waiting.append(item)
        self._wake.set()

    def end(self, reason: str) -> None:
        """Nothing follows what is queued."""
        self.reason = reason
        self._ended = True
        self._wake.set()


class Relay:
    """The console of one domain. Event loop only.

    Args:
        name: the domain's name, `uuid` its uuid.
        hangup: called when the other side of the pty has gone; `open` or `end` follows.
    """

    def __init__(self, name: str, uuid: str, *, hangup: Callable[[Relay], None]) -> None:
        self.name = name
        self.uuid = uuid
        self.domid = -1
        self.kept = False  #: held for as long as the domain lives, not only while somebody listens
        self.writer: Reader | None = None
        self.readers: set[Reader] = set()
        self.ended = False
        self._hangup = hangup
        self._ring = bytearray()
        self._pty = -1
        self._writable: asyncio.Future[None] | None = None
        self._typing = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        state = "ended" if self.ended else "open" if self.is_open else "closed"
        return f"<Relay {self.name} domid={self.domid} {state} readers={len(self.readers)}>"

    @property
    def is_open(self) -> bool:
        """It holds the pty."""
        return self._pty >= 0

    def open(self, pty: str, domid: int) -> None:
        """Take hold of a domain's pty, for the first time or after a reboot.

        Raises:
            WrongState: it cannot be opened.
        """
        self.close()
        try:
            self._pty = os.open(pty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            # Raw, else the line discipline echoes the guest's output back to it; and now: the default way
            # (TCSAFLUSH) throws away what the guest has printed already.
            tty.setraw(self._pty, termios.TCSANOW)
        except (OSError, termios.error) as error:  # the latter is no OSError, but has its arguments
            self.close()
            raise WrongState(
                f"the console of {self.name} cannot be opened: {error.args[-1]}", where=pty
            ) from error
        self.domid = domid
        self._loop.add_reader(self._pty, self._read)
        for reader in self.readers:
            reader.feed(self._attached(reader))

    def close(self) -> None:
        """Let go of the pty; readers stay."""
        if self._pty < 0:
            return
        self._loop.remove_reader(self._pty)
        self._loop.remove_writer(self._pty)
        os.close(self._pty)
        self._pty = -1
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def end(self, reason: str = "domain ended") -> None:
        """It is over: every reader gets what is queued for it, and then its end."""
        self.close()
        self.ended = True
        for reader in self.readers:
            reader.end(reason)

    def attach(self, *, who: str, write: bool, scrollback: bool) -> Reader:
        """A new reader.

        Raises:
            InUse: it wants to write, and somebody else does.
        """
        if write and self.writer is not None:
            raise InUse(f"{self.writer.who} writes to the console of {self.name}", hint="watch with write=0")
        reader = Reader(self, who)
        if write:
            self.writer = reader
        reader.feed(self._attached(reader))
        if scrollback and self._ring:
            reader.feed(bytes(self._ring))
        if self.ended:
            reader.end("domain ended")
        self.readers.add(reader)
        return reader

    def detach(self, reader: Reader) -> None:
        """A reader leaves."""
        self.readers.discard(reader)
        if self.writer is reader:
            self.writer = None

    async def write(self, data: bytes) -> None:
        """Type `data` into the guest; returns when the pty has taken it all, or is gone."""
        async with self._typing:
            left = memoryview(data)
            while left and self._pty >= 0:
                try:
                    left = left[os.write(self._pty, left) :]
                except BlockingIOError:
                    await self._until_writable()
                except OSError:
                    return  # the reader side notices, and says so

    async def _until_writable(self) -> None:
        writable = self._writable = self._loop.create_future()
        pty = self._pty
        self._loop.add_writer(pty, _settle, writable)
        try:
            await writable
        finally:
            if self._pty == pty:
                self._loop.remove_writer(pty)

    def _read(self) -> None:
        try:
            data = os.read(self._pty, PIECE)
        except BlockingIOError:
            return
        except OSError:  # EIO: xenconsoled has closed the master
            data = b""
        if not data:
            self.close()
            self._hangup(self)
            return
        self._ring += data
        del self._ring[:-SCROLLBACK]
        for reader in tuple(self.readers):
            reader.feed(data)

    def _attached(self, reader: Reader) -> ConsoleAttached:
        return ConsoleAttached(
            domain=self.name,
            domid=self.domid,
            write=self.writer is reader,
            writer=self.writer.who if self.writer is not None else "",
        )


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
