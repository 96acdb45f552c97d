"""What images and snapshots may be called, and how sizes are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from domus.model.errors import BadInput

#: called with what is being done now and how far it is, 0..1 (None: not known)
Report = Callable[[str, float | None], None]

#: what LVM allows in a volume's name, too
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}")
_SIZE: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))?([KMGT])(?:i?B)?", re.IGNORECASE)
_UNITS: Final = {"K": 10, "M": 20, "G": 30, "T": 40}

SECTOR_BYTES: Final = 512
MIB: Final = 1 << 20
_MOST_BYTES: Final = 1 << 50


def silent(_step: str, _progress: float | None) -> None:
    """Tell nobody."""


def check(name: str, what: str = "image") -> str:
    """`name`, if an image (or what is said) can have it; it becomes a file name, so nothing else may pass.

    Raises:
        BadInput: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"invalid {what} name {name[:80]!r}",
            hint="letters, digits, '.', '_', '+' and '-', 63 at most, a letter or digit first",
        )
    return name


def split(reference: str) -> tuple[str, str]:
    """`web@before` as image and snapshot; the snapshot is empty where none is named.

    Raises:
        BadInput: one of them is no name.
    """
    name, at, snapshot = reference.partition("@")
    check(name)
    return name, check(snapshot, "snapshot") if at else ""


def size_bytes(text: str) -> int:
    """`4G`, `512M`, `1.5T` in bytes: powers of 1024, whole sectors.

    Raises:
        BadInput: it is no size, has no unit, or is none that a disk can have.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        unit = " with a unit" if text.isdecimal() else ""
        raise BadInput(f"invalid size {text[:40]!r}", hint=f"a number{unit}, such as 4G or 512M")
    thousandths = int(match[1]) * 1000 + int((match[2] or "0").ljust(3, "0"))
    size = (thousandths << _UNITS[match[3].upper()]) // 1000 // SECTOR_BYTES * SECTOR_BYTES
    if not SECTOR_BYTES <= size <= _MOST_BYTES:
        raise BadInput(f"no disk can have {text}", hint="from 1K to 1024T")
    return size


def human(size: int) -> str:
    """A size to be read: 4.0 GiB, 512 MiB."""
    for unit, bits in (("TiB", 40), ("GiB", 30), ("MiB", 20)):
        if size >= 1 << bits:
            return f"{size / (1 << bits):.1f} {unit}".replace(".0 ", " ")
    return f"{size / 1024:.0f} KiB"
