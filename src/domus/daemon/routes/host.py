"""The host: what it is, its messages, its disks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from starlette.responses import Response

from domus.daemon.routes.endpoint import TEXT, Call, Endpoint, Query
from domus.model.doctor import Examination
from domus.model.errors import LibxlError, NotFound, XenStoreError
from domus.model.host import HostDisk, HostInfo

#: bytes of the log that one request gets
LOG_LIMIT: Final = 1 << 20


async def host(call: Call) -> HostInfo:
    """What `xm info` shows."""
    from domus.domains.host import host_info

    return await host_info(call.xend.libxl)


async def dmesg(call: Call) -> Response:
    """The hypervisor's messages."""
    text = await asyncio.to_thread(call.xend.libxl.read_console_ring, clear=call.flag("clear"))
    return Response(text, media_type=TEXT)


async def log(call: Call) -> Response:
    """Our own log."""
    path = call.xend.log_file
    if path is None:
        raise NotFound("this xend keeps no log file", hint="journalctl -u xend, or start it with --log-dir")
    return Response(await asyncio.to_thread(tail, path), media_type=TEXT)


def tail(path: Path) -> bytes:
    """The last `LOG_LIMIT` bytes of a log, from a whole line on.

    Raises:
        NotFound: there is none.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_LIMIT))
            text = file.read(LOG_LIMIT)
    except OSError as error:
        raise NotFound(f"cannot read the log: {error.strerror}", where=str(path)) from error
    return text if size <= LOG_LIMIT else text.partition(b"\n")[2]


async def doctor(call: Call) -> Examination:
    """What is wrong with it."""
    settings = call.xend.settings
    return await call.xend.domains.doctor.examine(
        socket=settings.socket, tls_dir=settings.tls_dir, state_dir=settings.state_dir
    )


async def disks(call: Call) -> list[HostDisk]:
    """Its block devices."""
    from domus.storage.host_disks import list_disks

    return await asyncio.to_thread(list_disks)


ENDPOINTS = (
    Endpoint("GET", "/v1/host", host, "What this host is and has.", answer=HostInfo, errors=(LibxlError,)),
    Endpoint(
        "GET",
        "/v1/host/dmesg",
        dmesg,
        "The hypervisor's message ring.",
        answer=str,
        media=TEXT,
        query=(Query("clear", bool, "empty the ring"),),
        errors=(LibxlError,),
    ),
    Endpoint(
        "GET",
        "/v1/host/log",
        log,
        "The end of xend's log, up to 1 MiB.",
        answer=str,
        media=TEXT,
        errors=(NotFound,),
    ),
    Endpoint(
        "GET",
        "/v1/host/doctor",
        doctor,
        "Examine the host: what is wrong with it, and how to mend that. Changes nothing.",
        answer=Examination,
        errors=(LibxlError, XenStoreError),
    ),
    Endpoint("GET", "/v1/host/disks", disks, "The host's own disks.", answer=list[HostDisk]),
)
