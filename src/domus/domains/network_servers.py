"""DHCP and DNS servers of named networks: each is watched, and started again when it ends by itself."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from domus.model.errors import DomusError
from domus.model.networks import Network
from domus.network.dnsmasq import Dnsmasq

log = logging.getLogger(__name__)

#: a server that has to be started again more often in a minute is broken
_RESTARTS: Final = 3


class NetworkServers:
    """For the event loop.

    Args:
        folder: where leases are kept.
        start: starts the network of a name again, with its server.
    """

    def __init__(self, folder: Path, start: Callable[[str], Awaitable[object]]) -> None:
        self._folder = folder
        self._start = start
        self._watched: dict[str, int] = {}  # pidfds
        self._restarts: dict[str, list[float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """They go on without xend."""
        for task in self._tasks:
            task.cancel()
        for name in [*self._watched]:
            self.let_go(name)

    def of(self, network: Network) -> Dnsmasq:
        """The server of a network, whether it runs or not."""
        return Dnsmasq(network, self._leases(network.name))

    def forget(self, name: str) -> None:
        """Keep nothing of a network that is gone."""
        self._leases(name).unlink(missing_ok=True)

    def watch(self, network: Network) -> None:
        """Start its server again when it ends without being told to."""
        pid = self.of(network).pid()
        self.let_go(network.name)
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return
        self._watched[network.name] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._ended, network.name)

    def let_go(self, name: str) -> None:
        """Watch it no longer."""
        descriptor = self._watched.pop(name, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _leases(self, name: str) -> Path:
        return self._folder / f"{name}.leases"

    def _ended(self, name: str) -> None:
        self.let_go(name)
        now = time.monotonic()
        recent = [at for at in self._restarts.get(name, []) if now - at < 60]
        self._restarts[name] = [*recent, now]
        if len(recent) >= _RESTARTS:
            log.error("the DHCP server of network %s ends again and again: xm network start %s", name, name)
            return
        log.warning("the DHCP server of network %s has ended; it is started again", name)
        task = asyncio.create_task(self._again(name), name=f"dnsmasq of {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, name: str) -> None:
        try:
            await self._start(name)
        except DomusError as error:
            log.error("network %s has no DHCP server: %s", name, error.for_user())
