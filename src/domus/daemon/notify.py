"""What systemd is told (sd_notify(3)): one datagram to the socket it names, nothing without systemd."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


def notify(*lines: str) -> None:
    """Send lines such as "READY=1". Never fails: a daemon must run without systemd as well."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.sendto("\n".join(lines).encode(), address)


def ready(status: str) -> None:
    """Requests are answered from now on."""
    notify("READY=1", f"STATUS={status}")


def reloading() -> None:
    """A reload has begun; `ready` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping() -> None:
    """The end has begun."""
    notify("STOPPING=1")
