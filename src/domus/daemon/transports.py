"""What asyncio's transports do not say plainly."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any


def abort(transport: asyncio.BaseTransport) -> None:
    """Drop a connection at once, whatever waits to be sent. May be called twice, and after `close`."""
    # asyncio's TLS transport forgets its protocol when it is closed twice (sslproto.py, close), and
    # abort() then trips over it; it is going down by its own time limit already.
    with suppress(AttributeError):
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


def is_encrypted(connection: Any) -> bool:
    """It is a connection in TLS."""
    transport = connection.transport
    with suppress(AttributeError):
        return transport is not None and transport.get_extra_info("sslcontext") is not None
    return False
