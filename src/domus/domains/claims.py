"""Who uses which disk of the host: backends that exist, and what is only about to have one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from domus.devices.hotplug import Hotplug
from domus.devices.vbd import Claim, Occupant
from domus.domains.listing import Listing
from domus.domains.worker import Workers
from domus.model.config import DiskFormat
from domus.model.errors import DomusError
from domus.storage import formats

log = logging.getLogger(__name__)

#: formats of images that may stand on others
_WITH_BACKING: Final = frozenset({DiskFormat.QCOW, DiskFormat.QCOW2, DiskFormat.QED, DiskFormat.VHD})


class DiskClaims:
    """The claims of this host. For the event loop."""

    def __init__(self, hotplug: Hotplug, listing: Listing, workers: Workers) -> None:
        self._hotplug = hotplug
        self._listing = listing
        self._workers = workers
        #: of what no backend has yet, by who asks
        self._held: dict[str, tuple[Claim, ...]] = {}
        self._checking = asyncio.Lock()
        #: what the images of running domains stand on
        self._chains: dict[Occupant, list[str]] = {}

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
        self._held[key] = tuple(replace(claim, who=f"domain '{domain}'") for claim in claims)

    def drop(self, key: str) -> None:
        """Claim nothing more under this key; harmless when nothing is."""
        self._held.pop(key, None)

    def _taken(self, names: Mapping[int | None, str]) -> list[Claim]:
        found = [claim for claims in self._held.values() for claim in claims]
        occupants = self._hotplug.occupants()
        for each in occupants:
            who = f"domain '{names.get(each.device.domid, each.device.domid)}'"
            found.append(Claim(who, each.path(), each.footprint(), each.writable))
            found += [Claim.of_backing(who, path) for path in self._standing_on(each)]
        self._chains = {each: self._chains[each] for each in occupants if each in self._chains}
        return found

    def _standing_on(self, occupant: Occupant) -> list[str]:
        """The images that the image of a running domain stands on; asked of qemu-img once."""
        form, path = occupant.image()
        if form not in _WITH_BACKING:
            return []
        if occupant not in self._chains:
            try:
                self._chains[occupant] = formats.chain(path, form)
            except DomusError as error:
                log.warning("%s: what it stands on is not known: %s", occupant.device, error.for_user())
                return []
        return self._chains[occupant]
