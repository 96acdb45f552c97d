"""Images: what a store of disk images says of each."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ImageFormat(StrEnum):
    """The formats that a store keeps; the others are converted when they come in."""

    RAW = "raw"
    QCOW2 = "qcow2"
    VHD = "vhd"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier state of an image, which can be had again."""

    name: str
    path: str
    created_s: float  #: seconds since 1970
    used_bytes: int  #: on the store's disk; what it shares with others counts in each


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a store."""

    name: str
    store: str  #: a directory, or "vg:NAME" and "vg:NAME/POOL"
    path: str  #: the file or device that is the disk
    format: ImageFormat
    size_bytes: int  #: as the guest sees it
    used_bytes: int  #: on the store's disk
    changed_s: float  #: when it was written last, in seconds since 1970; 0: not known
    snapshots: tuple[Snapshot, ...] = ()
    clones: tuple[str, ...] = ()  #: images that share its data; as long as there are any, it is read-only
    base: str = ""  #: the image whose data it shares; "": none, or one that has changed since
