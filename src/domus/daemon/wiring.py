"""What xend is made of, opened in order and closed in reverse; the signals that it answers to."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import domus
from domus.daemon import notify
from domus.daemon.consoles import Consoles
from domus.daemon.hooks import follow_for_ever
from domus.daemon.listeners import Listeners
from domus.daemon.locks import Lock
from domus.daemon.partners import connector
from domus.daemon.routes.table import application
from domus.daemon.settings import Settings
from domus.daemon.tls import TlsFiles
from domus.daemon.xend import Xend
from domus.domains.service import Domains
from domus.model.errors import DomusError, HostProblem
from domus.storage.blobs import BlobStore
from domus.xen.libxl import Libxl
from domus.xen.xenstore import XenStore

log = logging.getLogger(__name__)

#: seconds for requests under way to finish when xend stops
STOP_WITHIN: Final = 5.0


async def serve(settings: Settings, *, log_file: Path | None) -> None:
    """Be xend until SIGTERM or SIGINT.

    Raises:
        Conflict: another xend runs here.
        HostProblem: this host does not run Xen, or something of it cannot be used.
    """
    signals = Signals()
    async with AsyncExitStack() as stack:
        stack.enter_context(_state_lock(settings.state_dir))
        xend = await stack.enter_async_context(opened(settings, log_file=log_file))
        listeners = Listeners(application(xend))
        stack.push_async_callback(listeners.close, within=STOP_WITHIN)
        await listeners.open_unix(settings.socket)
        await _open_tls(listeners, settings)
        # What start-up has made stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        log.info("xend %s is ready", domus.__version__)
        notify.ready(f"Listening on {settings.socket}")
        while await signals.next() == signal.SIGHUP:
            notify.reloading()
            await _open_tls(listeners, settings)
            notify.ready(f"Listening on {settings.socket}")
        log.info("stopping; the domains run on")
        notify.stopping()
        xend.stopping.set_result(None)
    log.info("stopped")


@asynccontextmanager
async def opened(settings: Settings, *, log_file: Path | None) -> AsyncIterator[Xend]:
    """The parts of xend without its listeners; on entry what a killed xend left is undone."""
    async with AsyncExitStack() as stack:
        libxl = await asyncio.to_thread(Libxl.open)
        stack.callback(libxl.close)
        store = await XenStore.connect()
        stack.push_async_callback(store.close)
        blobs = BlobStore(settings.state_dir / "blobs")
        domains = await Domains.open(
            store=store,
            libxl=libxl,
            state_dir=settings.state_dir,
            blobs=blobs,
            connect=connector(settings),
        )
        domains.guest_defaults = settings.guests
        domains.migration.receiving.relocation = settings.relocation
        domains.migration.sending.port = settings.tls_port
        domains.stored.warn_percent = settings.disks_warn_percent
        domains.ballooning.min_mib = settings.dom0_min_memory_mib
        domains.ballooning.enabled = settings.dom0_ballooning
        stack.push_async_callback(domains.close)
        consoles = Consoles(domains)
        stack.push_async_callback(consoles.close)
        watching = asyncio.create_task(_tell(consoles, domains), name="consoles")
        stack.callback(watching.cancel)
        hooks = asyncio.create_task(follow_for_ever(domains.events), name="hooks")
        stack.push_async_callback(_ended, hooks)
        await consoles.start()
        yield Xend(
            domains=domains,
            libxl=libxl,
            blobs=blobs,
            consoles=consoles,
            log_file=log_file,
            stopping=asyncio.get_running_loop().create_future(),
            settings=settings,
        )


class Signals:
    """The signals that xend answers to, one after the other."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[signal.Signals] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._arrived.put_nowait, number)

    async def next(self) -> signal.Signals:
        """Wait for one."""
        return await self._arrived.get()


async def _open_tls(listeners: Listeners, settings: Settings) -> None:
    await listeners.open_tls(TlsFiles(settings.tls_dir), address=settings.tls_address, port=settings.tls_port)


async def _tell(consoles: Consoles, domains: Domains) -> None:
    while True:
        try:
            async for event in domains.events.subscribe():
                consoles.note(event)
        except DomusError as error:
            log.error("consoles miss events: %s", error.for_user())
            await asyncio.sleep(1)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _state_lock(directory: Path) -> Lock:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise HostProblem(f"cannot make {directory}: {error.strerror}", hint="xend runs as root") from error
    return Lock(directory / "xend.lock")
