"""Claims about what a xenstored that dies does to us. They leave a host of no further use."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable

from domus.model.errors import DomusError, Unreachable
from domus.xen.libxl import Libxl
from domus.xen.xenstore import ConnectionState, XenStore


def begin() -> None:
    """Nothing to say."""


async def check_the_client_and_its_watches_outlive_xenstored() -> None:
    libxl = Libxl.open()
    async with await XenStore.connect() as store, store.watch("/domus-test") as watch:
        assert await watch.changes() == {"/domus-test"}
        (pid,) = subprocess.run(["pidof", "xenstored"], capture_output=True, check=True).stdout.split()  # noqa: ASYNC221
        os.kill(int(pid), signal.SIGKILL)
        await until(lambda: store.state is ConnectionState.LOST)
        try:
            await store.read("/")
        except Unreachable:
            pass
        else:
            raise AssertionError("a read without xenstored succeeded")
        subprocess.run(["xenstored"], check=True)  # noqa: ASYNC221
        assert await watch.changes() == {"/domus-test"}
        await store.write("/domus-test/a", "x")
        assert await anext(watch) == "/domus-test/a"
        assert store.state is ConnectionState.CONNECTED
        await asyncio.to_thread(works_again, libxl)


def works_again(libxl: Libxl) -> None:
    """libxl's contexts of before may fail once, and are replaced then."""
    try:
        libxl.list_domains()
    except DomusError:
        libxl.list_domains()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the check as a whole has a limit."""
    while not condition():
        await asyncio.sleep(0.02)
