"""What disks are stored on, and which disks there are: `xm disk`."""

from __future__ import annotations

import msgspec


class Store(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file system with images on it, a volume group, or a thin pool."""

    name: str  #: where it is mounted, or "vg0", or "vg0/pool"
    kind: str  #: "file system", "volume group" or "thin pool"
    size_bytes: int
    free_bytes: int
    promised_bytes: int = 0  #: what the disks on it may take yet, beyond what they have
    metadata_percent: float = 0.0  #: of a thin pool's own metadata, in use
    warning: str = ""  #: it is about to fill

    @property
    def used_percent(self) -> float:
        """0 to 100."""
        return 100.0 * (1 - self.free_bytes / self.size_bytes) if self.size_bytes else 0.0


class DiskUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A domain that has a disk."""

    domain: str
    vdev: str
    writable: bool
    running: bool  #: it has it now; else a managed configuration names it


class StoredDisk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image or device that a domain has or would have, or a disk of the host."""

    path: str
    format: str = "raw"
    size_bytes: int = 0  #: of the file or device
    allocated_bytes: int = 0  #: what it takes of its store
    serial: str = ""  #: of a disk of the host
    store: str = ""  #: name of its `Store`; "": a disk of its own
    uses: tuple[DiskUse, ...] = ()
    problem: str = ""  #: why it could not be used


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/storage: by name and by path."""

    stores: tuple[Store, ...]
    disks: tuple[StoredDisk, ...]
