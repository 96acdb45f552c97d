"""What dom0 itself does with a block device: mounts, swap, and devices built on top of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.storage import loop
from domus.storage.targets import SYS_DEV_BLOCK, DeviceNumber, Target

_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Use:
    """One use that dom0 makes of a device."""

    text: str  #: such as "mounted on /srv"
    read_only: bool


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mountinfo."""

    device: str  #: "8:1"; "0:N" where the filesystem has no device of its own (btrfs)
    source: str  #: "/dev/sda1"
    point: str
    read_only: bool
    root: str = "/"  #: the folder of the filesystem that is mounted there
    kind: str = ""  #: of the filesystem: "ext4"


def of_target(target: Target) -> Use | None:
    """What dom0 does with a disk's target, by itself or through a loop device of its own.

    Where it runs:
        Reads procfs and sysfs: worker threads.
    """
    if target.device is not None:
        return of_device(target.device, target.path)
    for device in loop.find(target.path):
        number = DeviceNumber.of(Path(device).stat().st_rdev)
        if (use := of_device(number, device)) is not None:
            return Use(f"{use.text} through {device}", use.read_only)
    return None


def of_device(device: DeviceNumber, path: str) -> Use | None:
    """What dom0 does with a block device or one of its partitions; None: nothing."""
    numbers = {str(device): path} | _partitions(device)
    if use := mounted(parse_mounts(_text(Path("/proc/self/mountinfo"))), numbers):
        return use
    swaps = {line.split()[0] for line in _text(Path("/proc/swaps")).splitlines()[1:] if line}
    for number, name in numbers.items():
        if name in swaps:
            return Use(f"used by dom0 for swap ({name})", read_only=False)
        for holder in _names(SYS_DEV_BLOCK / number / "holders"):
            return Use(f"part of dom0's /dev/{holder}", read_only=False)
    return None


def mounted(mounts: Iterable[Mount], numbers: dict[str, str]) -> Use | None:
    """The mount among `mounts` of one of the devices, given as number and path; writable ones first."""
    found = [mount for mount in mounts if mount.device in numbers or mount.source in numbers.values()]
    found.sort(key=lambda mount: mount.read_only)
    return Use(f"mounted on {found[0].point}", found[0].read_only) if found else None


def parse_mounts(text: str) -> list[Mount]:
    """The lines of /proc/self/mountinfo; incomplete ones are skipped (proc_pid_mountinfo(5))."""
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        front, back = left.split(" "), right.split(" ")
        if dash and len(front) >= 6 and len(back) >= 3:
            # A mount is writable only when both the mount (left) and the filesystem (right) are.
            read_only = "ro" in front[5].split(",") or "ro" in back[2].split(",")
            source, point, root = (_unescape(text) for text in (back[1], front[4], front[3]))
            mounts.append(Mount(front[2], source, point, read_only, root, back[0]))
    return mounts


def _partitions(device: DeviceNumber) -> dict[str, str]:
    found = {}
    for marker in (SYS_DEV_BLOCK / str(device)).glob("*/partition"):
        if number := _text(marker.parent / "dev").strip():
            found[number] = f"/dev/{marker.parent.name}"
    return found


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _names(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""
