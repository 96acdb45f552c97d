"""What disks there are on this host, who has them, and how full it is where they are stored."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from domus.config import vdev
from domus.devices.vbd import Occupant
from domus.domains.parts import Parts
from domus.model.config import DiskFormat
from domus.model.errors import DomusError
from domus.model.host import HostDisk
from domus.model.storage import DiskUse, Storage, Store, StoredDisk
from domus.storage import host_disks, space, targets

_SECTOR: Final = 512


class _Named(NamedTuple):
    """A disk, and who has it."""

    target: str
    form: str
    use: DiskUse


class Stored:
    """For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.warn_percent = 90  #: a store that is fuller than this is told

    async def report(self) -> Storage:
        """Everything; LVM is asked, which may take a second."""
        names = {info.domid: info.name for info in await self._parts.listing.list()}
        occupants = self._parts.hotplug.occupants()
        named = [
            _Named(
                disk.target,
                disk.format,
                DiskUse(domain=each.name, vdev=disk.vdev, writable=disk.writable, running=False),
            )
            for each in self._parts.definitions
            for disk in each.config.disks
            if disk.target is not None and disk.script is None
        ]
        return await self._parts.workers.call(_report, names, occupants, named, self.warn_percent)


def _report(
    names: dict[int | None, str], occupants: list[Occupant], named: list[_Named], warn_percent: int
) -> Storage:
    running = [_occupied(each, names.get(each.device.domid) or str(each.device.domid)) for each in occupants]
    by_path: dict[str, list[_Named]] = defaultdict(list)
    for each in (*running, *named):
        by_path[_real(each.target)].append(each)
    lvs, vgs = space.volumes()
    host = host_disks.list_disks()
    disks = {path: _disk(path, users, host, lvs) for path, users in by_path.items() if path}
    for own in host:
        disks.setdefault(own.device, _disk(own.device, [], host, lvs))
    promised: dict[str, int] = defaultdict(int)
    for disk in disks.values():
        if disk.store.startswith("/"):
            promised[disk.store] += max(0, disk.size_bytes - disk.allocated_bytes)
    stores: list[Store] = []
    for point, more in promised.items():
        stores.append(space.file_system(point, more, warn_percent))
    stores += space.lvm_stores(lvs, vgs, warn_percent)
    return Storage(
        stores=tuple(sorted(stores, key=lambda store: store.name)),
        disks=tuple(sorted(disks.values(), key=lambda disk: disk.path)),
    )


def _occupied(occupant: Occupant, name: str) -> _Named:
    form = occupant.image()[0] or DiskFormat.RAW.value
    use = DiskUse(
        domain=name, vdev=vdev.name(occupant.device.devid), writable=occupant.writable, running=True
    )
    return _Named(occupant.path(), "raw" if form == "aio" else form, use)


def _real(target: str) -> str:
    if target.startswith(targets.LUN_PREFIX):
        try:
            return host_disks.find(target.removeprefix(targets.LUN_PREFIX)).device
        except DomusError:
            return target
    return os.path.realpath(target) if target else ""


def _disk(path: str, users: Iterable[_Named], host: list[HostDisk], lvs: space.Rows) -> StoredDisk:
    users = list(users)
    form = next((each.form for each in users), "raw")
    # What a managed configuration says of a disk that its domain has now is the same use.
    now = {(each.use.domain, each.use.vdev) for each in users if each.use.running}
    uses = tuple(
        each.use for each in users if each.use.running or (each.use.domain, each.use.vdev) not in now
    )
    serial = next((each.serial for each in host if each.device == path), "")
    try:
        facts = Path(path).stat()
        if stat.S_ISBLK(facts.st_mode):
            size = _device_bytes(path)
            store = space.is_on_lvm(path, lvs) or ""
            return StoredDisk(path=path, format=form, size_bytes=size, serial=serial, store=store, uses=uses)
        return StoredDisk(
            path=path,
            format=form,
            size_bytes=facts.st_size,
            allocated_bytes=facts.st_blocks * _SECTOR,
            store=space.mount_point(path),
            uses=uses,
        )
    except OSError as error:
        return StoredDisk(path=path, format=form, uses=uses, problem=str(error.strerror))


def _device_bytes(path: str) -> int:
    try:
        return targets.inspect(path, writable=False).size_bytes
    except DomusError:
        return 0
