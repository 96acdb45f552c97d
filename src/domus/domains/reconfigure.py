"""The one way in which a change of a running domain reaches the configuration that xend keeps of it.

As xm had it: what is attached to a running domain is there again when the guest reboots, and what was
detached is not.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from domus.config import vdev
from domus.devices import vif
from domus.domains.kept import KeptDomains
from domus.model.config import Disk, DomainConfig, Nic

Change = Callable[[DomainConfig], DomainConfig]


async def reconfigure(kept: KeptDomains, uuid: str, domid: int, change: Change) -> None:
    """Change what is kept of a running domain; nothing is of one that xend did not make."""
    known = kept.running(uuid, domid)
    if known is not None and (config := change(known.config)) != known.config:
        await kept.put(replace(known, config=config))


def with_disk(disk: Disk) -> Change:
    """One more disk, or another one in the place of the one of its name."""
    number = vdev.number(disk.vdev)

    def change(config: DomainConfig) -> DomainConfig:
        places = [vdev.number(each.vdev) for each in config.disks]
        if number not in places:
            return replace(config, disks=(*config.disks, disk))
        at = places.index(number)
        return replace(config, disks=(*config.disks[:at], disk, *config.disks[at + 1 :]))

    return change


def without_disk(number: int) -> Change:
    """Without the disk of this number."""

    def change(config: DomainConfig) -> DomainConfig:
        return replace(config, disks=tuple(disk for disk in config.disks if vdev.number(disk.vdev) != number))

    return change


def with_nic(nic: Nic) -> Change:
    """One more card; it has a number, and what had that before is gone."""

    def change(config: DomainConfig) -> DomainConfig:
        others = config if nic.devid is None else without_nic(nic.devid)(config)
        return replace(config, nics=(*others.nics, nic))

    return change


def without_nic(devid: int) -> Change:
    """Without the card of this number; the others keep theirs."""

    def change(config: DomainConfig) -> DomainConfig:
        left = [
            (number, nic)
            for number, nic in zip(vif.devids(config.nics), config.nics, strict=True)
            if number != devid
        ]
        return replace(
            config,
            nics=tuple(
                nic if nic.devid is not None or number == place else replace(nic, devid=number)
                for place, (number, nic) in enumerate(left)
            ),
        )

    return change
