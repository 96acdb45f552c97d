"""Who uses which disk of the host: backends that exist, and what is only about to have one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from domus.devices.hotplug import Hotplug
from domus.devices.vbd import Claim
from domus.domains.listing import Listing
from domus.domains.worker import Workers


class DiskClaims:
    """The claims of this host. For the event loop."""

    def __init__(self, hotplug: Hotplug, listing: Listing, workers: Workers) -> None:
        self._hotplug = hotplug
        self._listing = listing
        self._workers = workers
        #: of what no backend has yet, by who asks
        self._held: dict[str, tuple[Claim, ...]] = {}
        self._checking = asyncio.Lock()

    @asynccontextmanager
    async def checking(self) -> AsyncIterator[list[Claim]]:
        """All claims of this moment; nobody else checks his while the block lasts.

        One after the other: two that want the same disk must not both find it free. What is claimed is told
        to `hold` before the block ends.
        """
        async with self._checking:
            names = {info.domid: info.name for info in await self._listing.list()}
            yield await self._workers.call(self._taken, names)

    def hold(self, key: str, domain: str, claims: Iterable[Claim]) -> None:
        """Claim disks for a domain, until `drop(key)`: once a backend has them, they are known from it."""
        self._held[key] = tuple(
            Claim(f"domain '{domain}'", claim.path, claim.number, claim.writable, claim.shared)
            for claim in claims
        )

    def drop(self, key: str) -> None:
        """Claim nothing more under this key; harmless when nothing is."""
        self._held.pop(key, None)

    def _taken(self, names: Mapping[int | None, str]) -> list[Claim]:
        held = [claim for claims in self._held.values() for claim in claims]
        return held + [
            Claim(
                f"domain '{names.get(each.device.domid, each.device.domid)}'",
                each.path(),
                each.number,
                each.writable,
            )
            for each in self._hotplug.occupants()
        ]
