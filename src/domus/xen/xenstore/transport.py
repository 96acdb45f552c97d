"""Bytes to and from xenstored: a UNIX socket or the kernel's /dev/xen/xenbus, both as a descriptor.

The two behave alike where it matters (poll, non-blocking read and write), so one class serves both.
They differ in two things. The kernel takes one whole message per write, of at most 4096 bytes with its
header (Linux drivers/xen/xenbus/xenbus_dev_frontend.c, xenbus_file_write). And it keeps the message in
that one buffer until it is sent, so that a second request may overwrite the payload of the first
(measured with Linux 6.12: of twenty at once, some were refused with EINVAL): one request at a time.

The device is only for hosts whose xenstored runs in another domain. Where it runs in this one and has
died, a watch written to the device waits in the kernel for ever, and cannot be killed (measured).
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from domus.model.errors import Unreachable
from domus.xen.xenstore.wire import HEADER_SIZE, PAYLOAD_MAX

SOCKET: Final = "/run/xenstored/socket"  #: where xenstored listens when it runs in this domain
DEVICE: Final = "/dev/xen/xenbus"  #: the kernel's way to a xenstored that may run in another domain

_READ_SIZE: Final = 65536


class Transport:
    """A descriptor in the event loop, which it owns. Ends once, by itself or by `close`.

    Args:
        fd: non-blocking; a connected socket or an open xenbus device.
        path: where it leads.
        payload_max: most bytes of payload that one message may carry here.
        pipelines: a request may be sent before the reply to the last one came.
    """

    def __init__(
        self, fd: int, *, path: str = "", payload_max: int = PAYLOAD_MAX, pipelines: bool = True
    ) -> None:
        self.path = path
        self.payload_max = payload_max
        self.pipelines = pipelines
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
        self._on_bytes: Callable[[bytes], None] = _nothing
        self._on_end: Callable[[str], None] = _nothing

    def start(self, on_bytes: Callable[[bytes], None], on_end: Callable[[str], None]) -> None:
        """Begin to read: `on_bytes` gets what comes, `on_end` once the reason why nothing more will.

        `close` ends it without a call of `on_end`.
        """
        self._on_bytes, self._on_end = on_bytes, on_end
        self._loop.add_reader(self._fd, self._readable)

    def send(self, message: bytes) -> None:
        """Send one whole message, now or as soon as the other side takes it; the order is kept."""
        if self._fd < 0:
            return
        self._unsent.append(message)
        if len(self._unsent) == 1:
            self._flush()

    def close(self) -> None:
        """Let go of the descriptor; a second call does nothing."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._unsent.clear()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(str(error.strerror))
            return
        if data:
            self._on_bytes(data)
        else:
            self._end("xenstored closed the connection")

    def _flush(self) -> None:
        while self._unsent:
            message = self._unsent[0]
            try:
                sent = os.write(self._fd, message)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                # Not from here: the caller of `send` is in the middle of something.
                self._loop.call_soon(self._end, str(error.strerror))
                return
            if sent < len(message):
                self._unsent[0] = message[sent:]
                self._loop.add_writer(self._fd, self._flush)
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._fd)

    def _end(self, why: str) -> None:
        if self._fd >= 0:
            self.close()
            self._on_end(why)


async def open_transport(paths: Sequence[str]) -> Transport:
    """A transport to the first of `paths` that is there.

    Raises:
        Unreachable: none is there, or the first that is does not answer.
    """
    reason = f"there is no {' nor '.join(paths)}"
    for path in paths:
        try:
            return await _open(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            reason = f"{path}: {error.strerror}"
            break
    raise Unreachable(
        f"XenStore does not answer ({reason})",
        hint="is this a Xen host with xenstored running, and are you root?",
    )


async def _open(path: str) -> Transport:
    if _is_device(path):
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        return Transport(fd, path=path, payload_max=PAYLOAD_MAX - HEADER_SIZE, pipelines=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, path)
        return Transport(end.detach(), path=path)


def _is_device(path: str) -> bool:
    return stat.S_ISCHR(Path(path).stat().st_mode)


def _nothing(_: object) -> None:
    """What a transport calls before it was started."""
