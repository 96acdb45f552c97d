"""The backend side of devices in XenStore: where their nodes are, and which device a path belongs to.

Only dom0 writes under `/local/domain/0/backend`, so what is read there can be relied on. Nothing here
reads a frontend's nodes: those are the guest's to write.

Source: xen docs/misc/xenstore-paths.pandoc, xen/include/public/io/{xenbus,blkif,netif}.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Final

ROOT: Final = "/local/domain/0/backend"

#: The kernel's own backends, each a directory such as "vbd-3-51712" (Linux drivers/xen/xenbus).
SYS_BACKENDS: Final = Path("/sys/bus/xen-backend/devices")

#: What libxl starts in place of a hotplug script for the devices that xend plugs itself.
NO_SCRIPT: Final = "/bin/true"

CONNECTED: Final = "connected"  #: value of hotplug-status once the backend may connect
FAILED: Final = "error"  #: value of hotplug-status when plugging failed; hotplug-error says why


class DeviceKind(StrEnum):
    """The kinds of backends that are looked at; their directory's name."""

    VBD = "vbd"
    QDISK = "qdisk"  #: a disk that QEMU serves; only watched, QEMU plugs it
    VIF = "vif"


class BackendState(IntEnum):
    """Where a backend is (io/xenbus.h, enum xenbus_state)."""

    UNKNOWN = 0
    INITIALISING = 1
    INIT_WAIT = 2
    INITIALISED = 3
    CONNECTED = 4
    CLOSING = 5
    CLOSED = 6
    RECONFIGURING = 7
    RECONFIGURED = 8

    @classmethod
    def parse(cls, text: str | None) -> BackendState:
        """The state that a node says; UNKNOWN for anything else."""
        return cls(int(text)) if text in {"0", "1", "2", "3", "4", "5", "6", "7", "8"} else cls.UNKNOWN


_KINDS: Final = {str(kind): kind for kind in DeviceKind}


@dataclass(frozen=True, order=True)
class DeviceRef:
    """One device of one domain that dom0 serves."""

    kind: DeviceKind
    domid: int
    devid: int

    @property
    def path(self) -> str:
        """Its backend's directory."""
        return f"{ROOT}/{self.kind}/{self.domid}/{self.devid}"

    @property
    def frontend_path(self) -> str:
        """Its frontend's directory; put together here, never read from a node that a guest can write."""
        kind = DeviceKind.VBD if self.kind is DeviceKind.QDISK else self.kind
        return f"/local/domain/{self.domid}/device/{kind}/{self.devid}"

    @property
    def error_path(self) -> str:
        """Where the kernel says what went wrong with the backend."""
        # Linux drivers/xen/xenbus/xenbus_client.c, xenbus_va_dev_error
        return f"/local/domain/0/error/backend/{self.kind}/{self.domid}/{self.devid}/error"

    @property
    def kernel_path(self) -> Path:
        """Where sysfs shows it, while a driver of the kernel serves it."""
        return SYS_BACKENDS / f"{self.kind}-{self.domid}-{self.devid}"

    def __str__(self) -> str:
        return f"{self.devid} ({self.kind})"


@dataclass(frozen=True)
class Everything:
    """All devices may have changed: the watch has just begun, or was interrupted."""


@dataclass(frozen=True)
class OfDomain:
    """All devices of a kind, or only those of a domain, may have changed (usually: are gone)."""

    kind: DeviceKind
    domid: int | None


@dataclass(frozen=True)
class OfDevice:
    """A node of one device has changed."""

    device: DeviceRef
    node: str | None  #: None: the device's directory itself, made or removed


Change = Everything | OfDomain | OfDevice


def parse(path: str) -> Change | None:
    """What a changed path under `ROOT` is about; None: nothing that matters here."""
    if path == ROOT:
        return Everything()
    words = path.removeprefix(f"{ROOT}/").split("/")
    kind = _KINDS.get(words[0])
    if kind is None or len(words) > 4 or not all(_is_number(word) for word in words[1:3]):
        return None
    if len(words) < 3:
        return OfDomain(kind, int(words[1]) if len(words) == 2 else None)
    return OfDevice(DeviceRef(kind, int(words[1]), int(words[2])), words[3] if len(words) == 4 else None)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal()
