"""Resizing an image: the disk, its partition table, and the file system at its end, none of it mounted.

The work is done on a copy, which takes the image's place when all is done. Nothing of a guest's file system
is ever mounted by this machine's kernel: ext4 is resized by its own programs; XFS and btrfs can be grown only
while they are mounted, so the guest does that (images built here do at their next boot).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.model.errors import BadInput, Conflict, HostProblem
from domus.model.images import ImageFormat
from domus.programs import run
from domus.storage.images import copying, names, partitions, qemu_img, users
from domus.storage.images.base import Entry, Store
from domus.storage.images.names import MIB, Report, human
from domus.storage.images.partitions import BOUNDED

_EXT: Final = ("ext2", "ext3", "ext4")
_GROWN_BY_GUEST: Final = {"xfs": "xfs_growfs /", "btrfs": "btrfs filesystem resize max /"}

#: behind the last partition: the second copy of a GPT (33 sectors), and the end of the last aligned MiB
_TAIL_BYTES: Final = {"gpt": MIB, "dos": 0, "": 0}


@dataclass(frozen=True)
class Resized:
    """What was done."""

    size_bytes: int
    note: str  #: what is left to do, or what was grown with the disk


def resize(
    store: Store, name: str, wanted: str, report: Report = names.silent, *, disk_only: bool = False
) -> Resized:
    """Make an image larger or smaller, with the file system at its end.

    Args:
        wanted: "8G", or "+2G" and "-2G" from what it is now.
        disk_only: leave what is on the disk alone; only growing is possible then.

    Raises:
        Conflict: smaller than what is on it.
        BadInput: no size; or smaller, and what is on it cannot be made smaller.
        InUse, NotFound, Busy.
    """
    with store.claimed(names.check(name)) as entry:
        users.check_unused(entry.path, f"image {name}")
        before = store.image(name).size_bytes
        size = _target_size(wanted, before)
        if size == before:
            return Resized(size, "it has that size already")
        if disk_only and size < before:
            raise BadInput(f"--disk-only cannot make {name} smaller: data would be cut off")
        if disk_only and store.lengthen(entry, size):
            return Resized(size, "")
        with store.working() as work:
            source = entry.path
            if entry.format is not ImageFormat.RAW or entry.path.is_block_device():
                source = work / "unpacked"
                _unpack(entry, source, report)
            fresh = work / "disk"
            if disk_only:
                copying.copy(source, fresh, report, f"copying {name}")
                os.truncate(fresh, size)
                note = ""
            else:
                note = _Work(work, source, fresh, size, report).carry_out()
            store.replace(entry, _as_before(entry, fresh, work / "image", report))
        return Resized(size, note)


def _target_size(wanted: str, before: int) -> int:
    if wanted[:1] not in ("+", "-"):
        return names.size_bytes(wanted)
    change = names.size_bytes(wanted[1:])
    size = before + change if wanted[0] == "+" else before - change
    if size < MIB:
        raise BadInput(f"{wanted} leaves nothing of {human(before)}")
    return size


def _unpack(entry: Entry, disk: Path, report: Report) -> None:
    copying.need_space(disk.parent, 3 * copying.data_bytes(entry.path))
    driver = qemu_img.DRIVERS[entry.format.value]
    qemu_img.convert(entry.path, driver, disk, "raw", report, f"unpacking {entry.name}")


def _as_before(entry: Entry, disk: Path, target: Path, report: Report) -> Path:
    if entry.format is ImageFormat.RAW:
        return disk
    qemu_img.convert(
        disk, "raw", target, qemu_img.DRIVERS[entry.format.value], report, f"packing {entry.name}"
    )
    return target


class _Work:
    """One resizing: from raw image `source`, which is only read, to `fresh`."""

    def __init__(self, folder: Path, source: Path, fresh: Path, size: int, report: Report) -> None:
        self.folder = folder
        self.source = source
        self.fresh = fresh
        self.size = size
        self.report = report
        self.layout = partitions.layout(source)
        self.last = self.layout.last

    def carry_out(self) -> str:
        """Make `fresh`; returns what is to be told about it."""
        shrinks = self.size < self.source.stat().st_size
        if shrinks and self.last.content not in _EXT:
            what = f"partition {self.last.number}" if self.last.number else "it"
            content = self.last.content or "nothing that is known"
            raise BadInput(
                f"{what} has {content} at its end, which cannot be made smaller",
                hint="make a smaller image and copy the files, in a guest that has both",
            )
        copying.need_space(self.folder, 2 * copying.data_bytes(self.source))
        if self.last.content in _EXT:
            self._with_ext(shrinks)
            return f"with its {self.last.content} file system"
        keeps = bool(self.layout.table) and self.last.content not in _GROWN_BY_GUEST
        part_bytes = self.last.size_bytes if keeps else self._room()
        self._put_together(self.source, self.last.start_bytes, self.last.size_bytes, part_bytes)
        if keeps:
            content = self.last.content or "unknown"
            return f"partition {self.last.number}, the last one, is {content}: it keeps its size"
        if command := _GROWN_BY_GUEST.get(self.last.content):
            return f"the guest grows its {self.last.content}: at boot if built here, else by '{command}'"
        return ""

    def _room(self) -> int:
        """Bytes that the last partition can have."""
        room = self.size - self.last.start_bytes - _TAIL_BYTES[self.layout.table]
        return room // MIB * MIB if self.layout.table else room

    def _with_ext(self, shrinks: bool) -> None:
        # In a file of its own: given an offset, resize2fs (1.47) cuts the whole file to its own size.
        part = self.folder / "part"
        with self.source.open("rb") as here, part.open("xb") as there:
            os.ftruncate(there.fileno(), self.last.size_bytes)
            begin, end = self.last.start_bytes, self.last.start_bytes + self.last.size_bytes
            copying.transfer(
                here.fileno(), there.fileno(), self.report, "copying the file system",
                begin=begin, end=end, shift=-begin,
            )  # fmt: skip
        self.report("checking the file system", None)
        _check_ext(part)
        room = self._room()
        if shrinks and room < (least := _least_ext(part)):
            smallest = least + self.last.start_bytes + _TAIL_BYTES[self.layout.table]
            raise Conflict(
                f"{human(self.size)} is too small for what is on it",
                hint=f"{-(-smallest // MIB)}M is possible",
            )
        self.report("shrinking the file system" if shrinks else "growing the file system", None)
        run([*BOUNDED, "resize2fs", part, f"{room // 1024}K"])
        self._put_together(part, 0, room, room)

    def _put_together(self, part: Path, begin: int, length: int, part_bytes: int) -> None:
        """The new disk: all before the last partition, and `length` bytes of file `part` from `begin` on."""
        start = self.last.start_bytes
        with self.source.open("rb") as head, part.open("rb") as tail, self.fresh.open("xb") as there:
            os.ftruncate(there.fileno(), self.size)
            step = "putting the disk together"
            copying.transfer(head.fileno(), there.fileno(), self.report, step, end=start)
            copying.transfer(
                tail.fileno(), there.fileno(), self.report, step,
                begin=begin, end=begin + length, shift=start - begin,
            )  # fmt: skip
        if self.layout.table:
            partitions.write_again(self.fresh, self.source, self.last, part_bytes)


def _check_ext(part: Path) -> None:
    done = run([*BOUNDED, "e2fsck", "-f", "-p", part], check=False)
    if done.status > 1:  # e2fsck(8): 1 is "errors corrected"
        said = (done.stdout or done.stderr).strip().splitlines()[-1:] or [""]
        raise HostProblem(
            f"its file system has errors that e2fsck does not mend by itself: {said[0]}",
            hint="start its guest, or run e2fsck on a copy",
        )


def _least_ext(part: Path) -> int:
    """The fewest bytes that the file system can have, with a little to live in."""
    blocks = int(run([*BOUNDED, "resize2fs", "-P", part]).stdout.rsplit(":", 1)[1])
    listed = run([*BOUNDED, "dumpe2fs", "-h", part]).stdout
    block = next(int(line.split(":")[1]) for line in listed.splitlines() if line.startswith("Block size:"))
    return blocks * block + 16 * MIB


__all__ = ["Resized", "resize"]
