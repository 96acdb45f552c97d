"""Makes the nodes of a device that xend plugs, as libxl would make them, and takes them away again.

libxl starts a process for each device that comes or goes, even where there is no script to run; in a process
of xend's size that takes longer than everything else together (measured, 4.20). What it writes is little, and
a test compares the two, node by node and permission by permission.

Source: tools/libs/light/libxl_device.c (libxl__device_generic_add, libxl__device_destroy), libxl_disk.c
(device_disk_add), libxl_nic.c (libxl__set_xenstore_nic); xen docs/misc/xenstore-paths.pandoc.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Final

from domus.devices.attached import Attached
from domus.devices.backends import NO_SCRIPT, BackendState, DeviceKind, DeviceRef
from domus.devices.vbd import is_writable
from domus.model.config import Disk, Nic, NicKind
from domus.model.errors import AlreadyExists, DomainNotFound
from domus.network.bridges import DEFAULT_MTU
from domus.xen.xenstore import Permission, Transaction, XenStore
from domus.xen.xenstore.permissions import Access

#: what a frontend's node "protocol" says of the layout of its rings (xen/include/public/io/protocols.h)
_PROTOCOLS: Final = {"x86_64": "x86_64-abi", "aarch64": "arm-abi"}

_INITIALISING: Final = str(int(BackendState.INITIALISING))


@dataclass(frozen=True)
class Ends:
    """What is written for a device beside what all devices have."""

    backend: Mapping[str, str]
    frontend: Mapping[str, str]
    told: Mapping[str, str]  #: nodes of the frontend that the guest can only read


def disk_ends(disk: Disk, devid: int) -> Ends:
    """Of a disk that blkback serves; its target is the block device."""
    kind, writable = "cdrom" if disk.cdrom else "disk", is_writable(disk)
    direct = {"direct-io-safe": "1"} if disk.direct_io_safe else {}
    backend = {
        "params": disk.target or "",
        "script": NO_SCRIPT,
        "removable": _flag(disk.cdrom),
        "bootable": "1",
        "dev": disk.vdev,
        "type": "phy",
        "mode": "w" if writable else "r",
        "device-type": kind,
        **direct,
        "discard-enable": _flag(writable if disk.discard is None else disk.discard),
        "specification": "xen",
    }
    frontend = {
        "virtual-device": str(devid),
        "device-type": kind,
        "trusted": _flag(disk.trusted is not False),
        "protocol": _PROTOCOLS.get(platform.machine(), "x86_64-abi"),
    }
    return Ends(backend, frontend, {})


def nic_ends(nic: Nic, devid: int) -> Ends:
    """Of a card that netback serves."""
    rate = None if nic.rate_bytes is None else f"{nic.rate_bytes},{nic.rate_interval_us or 0}"
    mtu = DEFAULT_MTU if nic.mtu is None else nic.mtu
    optional = {
        "vifname": nic.vifname,
        "mac": nic.mac,
        "ip": " ".join(nic.ips) or None,
        "gatewaydev": nic.gateway_device,
        "rate": rate,
        "mtu": None if mtu == DEFAULT_MTU else str(mtu),
        "vlan": nic.vlan,
        "bridge": nic.bridge,
    }
    backend = {
        "script": NO_SCRIPT,
        **{name: value for name, value in optional.items() if value is not None},
        "handle": str(devid),
        # A card that comes later has no emulated one beside it (libxl__device_nic_setdefault).
        "type": str(NicKind.VIF),
        "hotplug-status": "",
    }
    frontend = {"handle": str(devid), "mac": nic.mac or "", "trusted": _flag(nic.trusted is not False)}
    return Ends(backend, frontend, {"mtu": str(mtu)})


async def make(store: XenStore, kind: DeviceKind, domid: int, devid: int, ends: Ends) -> None:
    """Write the nodes of a device, all or none; its backend begins to work at once.

    Raises:
        DomainNotFound: the domain has gone.
        AlreadyExists: it has a device of that number.
    """
    device = DeviceRef(kind, domid, devid)
    noted = _noted(str(kind), domid, devid)
    backend = {
        "frontend": device.frontend_path,
        "frontend-id": str(domid),
        "online": "1",
        "state": _INITIALISING,
        **ends.backend,
    }
    frontend = {"backend": device.path, "backend-id": "0", "state": _INITIALISING, **ends.frontend}
    guests = [Permission(domid, Access.NONE), Permission(0, Access.READ)]
    ours = [Permission(0, Access.NONE), Permission(domid, Access.READ)]

    async def body(tx: Transaction) -> None:
        alive, error, *taken = await tx.read_many(
            [f"/local/domain/{domid}/domid", device.error_path, noted, device.path, device.frontend_path]
        )
        if alive is None:
            raise DomainNotFound(f"Domain '{domid}' does not exist.")
        if any(each is not None for each in taken):
            raise AlreadyExists(f"Device {device} is already connected.")
        if error is not None:  # of an earlier device of this number: the kernel never takes it back
            await _forget_error(tx, device)
        # Sent at once, carried out in this order. What lies in a directory begins with its permissions.
        await asyncio.gather(
            *_directory(tx, noted, {**backend, "backend": device.path}, None),
            *_directory(tx, device.frontend_path, frontend, guests),
            *(tx.write(f"{device.frontend_path}/{name}", value) for name, value in ends.told.items()),
            *(tx.set_permissions(f"{device.frontend_path}/{name}", ours) for name in ends.told),
            *_directory(tx, device.path, backend, ours),
        )

    await store.transaction(body)


async def unmake(store: XenStore, device: Attached) -> None:
    """Remove the nodes of a device of dom0's, and the directories that are empty then; harmless when gone."""

    async def body(tx: Transaction) -> None:
        for path in (device.frontend, _noted(device.kind, device.domid, device.devid), device.backend):
            if path:
                await _remove(tx, path)

    await store.transaction(body)


async def sweep(store: XenStore, device: DeviceRef) -> None:
    """Remove what a backend of the kernel wrote after its directory had been removed.

    A blkback that is about to connect then writes its features all the same (Linux drivers/block/xen-blkback/
    xenbus.c, connect), and the device would seem to be there for ever; or it complains that the other half is
    gone. To be called when the kernel's device is gone; a device that was made anew meanwhile says where its
    frontend is, and stays.
    """

    async def body(tx: Transaction) -> None:
        frontend, error = await tx.read_many([f"{device.path}/frontend", device.error_path])
        if frontend is not None:
            return
        if error is not None:
            await _forget_error(tx, device)
        if await tx.list(device.path) is not None:
            await _remove(tx, device.path)

    await store.transaction(body)


def _directory(
    tx: Transaction, path: str, nodes: Mapping[str, str], permissions: list[Permission] | None
) -> list[Awaitable[None]]:
    made: list[Awaitable[None]] = [tx.mkdir(path)]
    if permissions is not None:
        made.append(tx.set_permissions(path, permissions))
    return made + [tx.write(f"{path}/{name}", value) for name, value in nodes.items()]


async def _remove(tx: Transaction, path: str) -> None:
    await tx.remove(path)
    # As libxl__xs_path_cleanup: up to the first directory that has something else in it.
    while (path := path.rpartition("/")[0]) and not await tx.list(path):
        await tx.remove(path)


async def _forget_error(tx: Transaction, device: DeviceRef) -> None:
    await _remove(tx, device.error_path.rpartition("/")[0])


def _noted(kind: str, domid: int, devid: int) -> str:
    """Where libxl notes a device."""
    return f"/libxl/{domid}/device/{kind}/{devid}"


def _flag(value: bool) -> str:
    return "1" if value else "0"
