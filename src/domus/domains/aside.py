"""Setting a dead domain aside: under another name and uuid it can be looked at, while the next one runs."""

from __future__ import annotations

import logging
import time
import uuid as uuids
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from domus.domains.parts import Parts
from domus.model.domain import DomainInfo
from domus.xen.xenstore import Transaction, XenStore

log = logging.getLogger(__name__)

#: where libxl keeps what it knows of domains, in files named userdata-KIND.DOMID.UUID.NAME
#: (tools/libs/light/libxl_internal.c, libxl__userdata_path; XEN_LIB_DIR of Debian and most others)
_USERDATA: Final = Path("/var/lib/xen")

#: devices that hold something of the host
_LENT: Final = ("vbd", "vif")


def suffix(name: str, taken: Iterable[str], now: float) -> str:
    """What is added to the name: the time as xl has it, and a number where that is taken already."""
    names = set(taken)
    stamp = time.strftime("-%Y%m%dT%H%MZ", time.gmtime(now))
    number = 1
    while f"{name}{stamp}{'' if number == 1 else f'-{number}'}" in names:
        number += 1
    return stamp if number == 1 else f"{stamp}-{number}"


async def rename(parts: Parts, info: DomainInfo, domid: int) -> tuple[str, uuids.UUID]:
    """Give a dead domain another name and /vm entry; returns its new name and uuid. Then comes `rehandle`.

    It loses its disks and cards: the next one needs them.
    """
    await parts.builder.without_devices(domid, lambda: _remove_devices(parts.store, domid))
    ending = suffix(info.name, (each.name for each in await parts.listing.list()), time.time())
    uuid = uuids.uuid4()
    await parts.workers.call(parts.libxl.preserve, domid, info.name, ending, uuid.bytes)
    # libxl writes the name only into the entry of the old uuid, which is nobody's until the next one has it.
    await parts.store.write(f"/vm/{uuid}/name", info.name + ending)
    await parts.store.remove(f"/vm/{info.uuid}")
    return info.name + ending, uuid


async def rehandle(parts: Parts, info: DomainInfo, domid: int, uuid: uuids.UUID) -> None:
    """Let Xen, and libxl's files, know a domain by its new uuid."""
    await parts.workers.call(_move_userdata, domid, info.uuid, str(uuid))
    await parts.workers.call(parts.libxl.set_handle, domid, uuid.bytes)


async def _remove_devices(store: XenStore, domid: int) -> None:
    """Take a dead domain's devices away by force (as libxl_device.c, libxl__device_destroy)."""

    async def body(transaction: Transaction) -> None:
        for kind in _LENT:
            for devid in await transaction.list(f"/libxl/{domid}/device/{kind}") or ():
                ours = f"/libxl/{domid}/device/{kind}/{devid}"
                backend = await transaction.read_text(f"{ours}/backend")
                if backend and backend.startswith("/local/domain/"):
                    await _remove_with_parent(transaction, backend)
                await transaction.remove(f"/local/domain/{domid}/device/{kind}/{devid}")
                await transaction.remove(ours)

    await store.transaction(body)


async def _remove_with_parent(transaction: Transaction, path: str) -> None:
    """Remove a node, and its parent if nothing else is in there (as libxl__xs_path_cleanup)."""
    await transaction.remove(path)
    parent = path.rpartition("/")[0]
    if not await transaction.list(parent):
        await transaction.remove(parent)


def _move_userdata(domid: int, old: str, new: str) -> None:
    for file in _USERDATA.glob(f"userdata-?.{domid}.{old}.*"):
        try:
            file.rename(file.with_name(file.name.replace(old, new)))
        except OSError as error:
            log.warning("%s: %s", file, error.strerror)
