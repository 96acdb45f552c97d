"""What a disk's target really is: an image file or a block device, and whether it can be used.

Only names, sizes and flags are looked at. The bytes of a disk belong to its guest and are never read here.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.model.errors import BadInput, Conflict, NotFound
from domus.storage import footprint, formats, host_disks
from domus.storage.footprint import Footprint

SYS_DEV_BLOCK: Final = Path("/sys/dev/block")

#: Names the host's disk of that serial number, whatever device it is today.
LUN_PREFIX: Final = "lun:"

SECTOR_BYTES: Final = 512

_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True)
class DeviceNumber:
    """Major and minor number of a block device."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}:{self.minor}"

    @classmethod
    def of(cls, raw: int) -> DeviceNumber:
        """From st_rdev or st_dev."""
        return cls(os.major(raw), os.minor(raw))


@dataclass(frozen=True)
class Target:
    """A disk's target on this host, looked at a moment ago."""

    asked: str  #: as the configuration named it
    path: str  #: absolute, symbolic links resolved
    device: DeviceNumber | None  #: None: a regular file
    size_bytes: int
    footprint: Footprint = footprint.NOTHING  #: which bytes these are

    @property
    def is_file(self) -> bool:
        """It needs a loop device."""
        return self.device is None


def inspect(target: str, *, writable: bool, raw: bool = True, where: str = "") -> Target:
    """Look at a disk's target, and refuse what cannot be a disk.

    Args:
        target: an absolute path, or "lun:SERIAL".
        writable: the guest may write to it.
        raw: a file's bytes are the disk's; else they are in a format of their own, and of any length.
        where: put before an error, such as "disk[0]".

    Raises:
        NotFound: there is no such image or disk.
        BadInput: it is relative, not a file or block device, or has no whole sector in it.
        Conflict: it is read-only and the disk is not.

    Where it runs:
        Blocks on the filesystem (which may be a network's): worker threads.
    """
    path = _located(target, where)
    try:
        facts = path.stat()
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotFound(f"Disk image does not exist: {path}", where=where) from None
        raise BadInput(f"disk image {path}: {error.strerror}", where=where) from error
    real = os.path.realpath(path)
    if stat.S_ISBLK(facts.st_mode):
        device = DeviceNumber.of(facts.st_rdev)
        size = _sysfs_number(device, "size") * SECTOR_BYTES
        _check_size(path, size, where, whole_sectors=False)
        if writable and _sysfs_number(device, "ro"):
            raise Conflict(f"{path} is a read-only device", where=where, hint="use mode r")
        return Target(target, real, device, size, footprint.of_path(real))
    if not stat.S_ISREG(facts.st_mode):
        kind = next((words for matches, words in _KINDS if matches(facts.st_mode)), "no disk")
        raise BadInput(f"disk image {path} is {kind}", where=where, hint="a file or a block device is needed")
    if raw:
        formats.check_raw(real, where)
    _check_size(path, facts.st_size, where, whole_sectors=raw)
    _check_access(path, where, writable=writable)
    return Target(target, real, None, facts.st_size, footprint.of_path(real))


def _located(target: str, where: str) -> Path:
    if target.startswith(LUN_PREFIX):
        return Path(host_disks.find(target.removeprefix(LUN_PREFIX)).device)
    path = Path(target)
    if "\0" in target or not path.is_absolute():
        raise BadInput(f"disk target {target!r} is not an absolute path", where=where)
    return path


def _check_size(path: Path, size: int, where: str, *, whole_sectors: bool) -> None:
    if size < SECTOR_BYTES:
        raise BadInput(f"disk image {path} is empty ({size} bytes)", where=where)
    if whole_sectors and size % SECTOR_BYTES:
        raise BadInput(
            f"disk image {path} is truncated: {size} bytes are not whole {SECTOR_BYTES}-byte sectors",
            where=where,
            hint=f"`truncate -s %{SECTOR_BYTES} {path}` fills its last sector",
        )


def _check_access(path: Path, where: str, *, writable: bool) -> None:
    # Opening is the only test that knows about read-only mounts, immutable files and root squashing.
    try:
        os.close(os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        what = "written" if writable else "read"
        hint = "use mode r for a read-only image" if writable else ""
        raise Conflict(
            f"disk image {path} cannot be {what}: {error.strerror}", where=where, hint=hint
        ) from error


def _sysfs_number(device: DeviceNumber, attribute: str) -> int:
    try:
        return int((SYS_DEV_BLOCK / str(device) / attribute).read_text())
    except (OSError, ValueError):
        return 0
