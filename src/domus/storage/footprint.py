"""Which bytes a disk is made of, whatever name it goes by: two disks that share some are found by this.

A file is its file system and inode: hard links and bind mounts are one. A device is its number, and stands on
others: a partition on its disk, a logical volume on its physical volumes, a loop device on its file.

Source: Linux Documentation/ABI/stable/sysfs-block (partition, slaves); linux/loop.h.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.storage import loop

SYS_DEV_BLOCK: Final = Path("/sys/dev/block")

#: Devices that stand on each other, at the most: a loop in what the kernel says must not hang us.
_DEEP: Final = 16


@dataclass(frozen=True)
class Footprint:
    """The bytes of a disk."""

    own: frozenset[str] = frozenset()  #: names of exactly these bytes: "file 254:1 4711", "device 7:0"
    below: frozenset[str] = frozenset()  #: names of what they are a part of

    def overlaps(self, other: Footprint) -> bool:
        """Some bytes of the one may be bytes of the other. Two parts of a third are not."""
        return bool(self.own & (other.own | other.below) or self.below & other.own)


#: of what is neither a file nor a device
NOTHING: Final = Footprint()


def of_path(path: str | Path) -> Footprint:
    """The bytes behind a path; none if it is neither a file nor a block device.

    Where it runs:
        Looks at the file system (which may be a network's) and sysfs: worker threads.
    """
    try:
        facts = Path(path).stat()
    except OSError:
        return Footprint()
    if stat.S_ISBLK(facts.st_mode):
        return of_device(os.major(facts.st_rdev), os.minor(facts.st_rdev))
    return Footprint(frozenset({_file(facts)})) if stat.S_ISREG(facts.st_mode) else Footprint()


def of_device(major: int, minor: int) -> Footprint:
    """The bytes of a block device."""
    own: set[str] = {f"device {major}:{minor}"}
    below: set[str] = set()
    here = SYS_DEV_BLOCK / f"{major}:{minor}"
    if file := _behind_loop(here):
        name, whole = file
        (own if whole else below).add(name)
    level = [here]
    for _ in range(_DEEP):
        level = [lower for each in level for lower in _lower(each)]
        for each in level:
            if number := _text(each / "dev"):
                below.add(f"device {number}")
            if file := _behind_loop(each):
                below.add(file[0])
    return Footprint(frozenset(own), frozenset(below))


def _lower(device: Path) -> list[Path]:
    """The devices that one stands on, as directories of sysfs."""
    real = Path(os.path.realpath(device))
    if (real / "partition").exists():
        return [real.parent]
    try:
        return list((real / "slaves").iterdir())
    except OSError:
        return []


def _behind_loop(device: Path) -> tuple[str, bool] | None:
    """The file behind a loop device, and whether all of it is; None: it is none, or has none."""
    name = Path(os.path.realpath(device)).name
    if not name.startswith("loop") or not (device / "loop/backing_file").exists():
        return None
    found = loop.status(f"/dev/{name}")
    if found is None:
        return None
    whole = _text(device / "loop/offset") == "0" and _text(device / "loop/sizelimit") == "0"
    number = f"{os.major(found.file_device)}:{os.minor(found.file_device)}"
    return f"file {number} {found.file_inode}", whole


def _file(facts: os.stat_result) -> str:
    return f"file {os.major(facts.st_dev)}:{os.minor(facts.st_dev)} {facts.st_ino}"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
