"""The devices that a domain has, whoever gave them to it, as libxl has them noted in XenStore.

What exists is read below /libxl, which no guest can write. The nodes of a frontend are the guest's own: they
are shown, bounded and cleaned, and never believed.

Source: xen docs/misc/xenstore-paths.pandoc; tools/libs/light/libxl_device.c (libxl__device_libxl_path).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from domus.devices.backends import BackendState, DeviceRef, OfDevice, parse
from domus.model.live import DeviceInfo
from domus.xen.xenstore import XenStore
from domus.xen.xenstore.nodes import printable

#: names of kinds of frontends, such as "vbd", "vif", "vtpm", "console", "9pfs"
KIND: Final = re.compile(r"[a-z0-9_]{1,16}")

_BACKEND_PATH: Final = re.compile(r"/local/domain/(\d{1,5})/backend/([a-z0-9_]{1,16})/\d{1,5}/\d{1,10}")

# What is shown of a guest's nodes: it may have written as many, and as long ones, as xenstored lets it.
_NODES_MAX: Final = 64
_VALUE_MAX: Final = 256

_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")


@dataclass(frozen=True)
class Attached:
    """One device of a domain."""

    kind: str  #: the frontend's: "vbd" whether the kernel serves it or QEMU
    domid: int
    devid: int
    backend: str  #: path of its backend; "" if libxl has none noted
    frontend: str

    @property
    def ref(self) -> DeviceRef | None:
        """The device, if dom0 serves it and xend looks at its kind."""
        found = parse(self.backend)
        return found.device if isinstance(found, OfDevice) else None

    @property
    def backend_domid(self) -> int:
        """The domain that serves it; -1: not known."""
        match = _BACKEND_PATH.fullmatch(self.backend)
        return int(match[1]) if match else -1

    def __str__(self) -> str:
        return f"{self.devid} ({self.kind})"


async def find(store: XenStore, domid: int, kind: str, devid: int) -> Attached | None:
    """The device of this number; None: the domain has none."""
    noted = f"/libxl/{domid}/device/{kind}/{devid}"
    backend, frontend = await store.read_many([f"{noted}/backend", f"{noted}/frontend"])
    if backend is None and frontend is None:
        return None
    return Attached(kind, domid, devid, _path(backend), _path(frontend))


async def devices(store: XenStore, domid: int, kind: str) -> list[Attached]:
    """All devices of a kind that a domain has, by their numbers."""
    names = await store.list(f"/libxl/{domid}/device/{kind}") or []
    numbers = sorted(int(name) for name in names if name.isascii() and name.isdecimal())
    found = await asyncio.gather(*(find(store, domid, kind, number) for number in numbers))
    return [device for device in found if device is not None]


async def backend_nodes(store: XenStore, device: Attached, *names: str) -> list[str | None]:
    """Nodes of a device's backend."""
    values = await store.read_many([f"{device.backend}/{name}" for name in names])
    return [None if value is None else printable(value) for value in values]


async def backend_state(store: XenStore, device: Attached) -> BackendState | None:
    """Where a backend is; None: it is gone."""
    (state,) = await backend_nodes(store, device, "state")
    return None if state is None else BackendState.parse(state)


async def describe(store: XenStore, device: Attached) -> DeviceInfo:
    """A device with the nodes of both its ends."""
    frontend, backend = await asyncio.gather(_nodes(store, device.frontend), _nodes(store, device.backend))
    return DeviceInfo(
        kind=device.kind,
        devid=device.devid,
        backend_domid=device.backend_domid,
        backend=device.backend,
        state=number(frontend.get("state"), 0),
        frontend_nodes=frontend,
        backend_nodes=backend,
    )


def number(text: str | None, default: int) -> int:
    """A number that a guest may have written, or `default`."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else default


async def _nodes(store: XenStore, path: str) -> dict[str, str]:
    """The nodes right below a path, in xenstored's order."""
    names = (await store.list(path) or [])[:_NODES_MAX] if path else []
    values = await store.read_many([f"{path}/{name}" for name in names])
    # A node without a value is a directory.
    return {name: printable(value[:_VALUE_MAX]) for name, value in zip(names, values, strict=True) if value}


def _path(raw: bytes | None) -> str:
    return (raw or b"").decode("ascii", "replace")
