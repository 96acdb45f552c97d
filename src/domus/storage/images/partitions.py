"""Partition tables and file systems inside raw image files: through sfdisk and blkid, nothing is mounted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from domus.model.errors import BadInput
from domus.programs import Argument, run
from domus.storage.images.names import SECTOR_BYTES

#: sfdisk must neither wait for udev nor have the kernel read tables
_QUIET: Final = ("--no-reread", "--no-tell-kernel", "--quiet")

_SIZE: Final = re.compile(r"size=\s*\d+")

#: the part of a master boot record that is code, before the disk's signature
BOOT_CODE_BYTES: Final = 440

#: what foreign file systems are looked at with: they may be made to hurt
BOUNDED: Final = ("prlimit", "--as=2147483648", "--cpu=3600", "--core=0", "--")


@dataclass(frozen=True)
class Part:
    """A stretch of a disk, and what is in it."""

    number: int  #: of the partition; 0: the disk has no table, this is all of it
    start_bytes: int
    size_bytes: int
    content: str  #: as blkid calls it: ext4, xfs, btrfs, swap, LVM2_member; "": nothing that it knows


@dataclass(frozen=True)
class Layout:
    """How a disk is divided."""

    table: str  #: "gpt", "dos"; "": it has none
    parts: tuple[Part, ...]  #: in the order in which they lie on the disk

    @property
    def last(self) -> Part:
        """Where the disk ends."""
        return self.parts[-1]


def layout(disk: Path) -> Layout:
    """How a raw image is divided.

    Raises:
        ProgramFailed: its table is damaged.
        BadInput: its table is of a kind that is none of ours, or it has no partition.
    """
    size = disk.stat().st_size
    facts = _probe(disk, 0, size)
    if "PTTYPE" not in facts:
        return Layout("", (Part(0, 0, size, facts.get("TYPE", "")),))
    if facts["PTTYPE"] not in ("gpt", "dos"):
        raise BadInput(f"a partition table of kind {facts['PTTYPE']!r} cannot be changed here")
    table = _table(disk)
    found = [
        (int(str(each["node"]).removeprefix(str(disk)).lstrip("p")), each["start"], each["size"])
        for each in table.get("partitions", ())
    ]
    parts = [
        Part(number, start * SECTOR_BYTES, length * SECTOR_BYTES, "")
        for number, start, length in sorted(found, key=lambda each: each[1])
    ]
    if not parts:
        raise BadInput("its partition table is empty")
    return Layout(
        facts["PTTYPE"],
        tuple(Part(part.number, part.start_bytes, part.size_bytes, _content(disk, part)) for part in parts),
    )


def write(disk: Path, script: str) -> None:
    """Give a disk a partition table, as sfdisk(8) describes one."""
    run(["sfdisk", *_QUIET, "--wipe", "never", "--wipe-partitions", "never", disk], stdin=script)


def write_again(disk: Path, source: Path, last: Part, last_bytes: int) -> None:
    """Give `disk` the table of `source`, with another size of the last partition.

    A GPT's second copy, at the end of the disk, comes to the end of this one; the boot code stays.
    """
    lines = []
    for line in run(["sfdisk", "--dump", source]).stdout.splitlines():
        if line.startswith(("last-lba:", "device:")):
            continue
        node = line.split(" : ", 1)[0].strip()
        if node == f"{source}{'p' if str(source)[-1].isdigit() else ''}{last.number}":
            line = _SIZE.sub(f"size={last_bytes // SECTOR_BYTES}", line)
        lines.append(line)
    with disk.open("r+b") as file:
        code = file.read(BOOT_CODE_BYTES)
        write(disk, "\n".join(lines) + "\n")
        file.seek(0)
        file.write(code)


def _table(disk: Path) -> dict[str, Any]:
    document = msgspec.json.decode(run([*BOUNDED, "sfdisk", "--json", disk], within=60).stdout)
    table: dict[str, Any] = document["partitiontable"]
    if table.get("sectorsize", SECTOR_BYTES) != SECTOR_BYTES:
        raise BadInput(f"its partition table counts in sectors of {table['sectorsize']} bytes, not 512")
    return table


def _content(disk: Path, part: Part) -> str:
    return _probe(disk, part.start_bytes, part.size_bytes).get("TYPE", "")


def _probe(disk: Path, offset: int, size: int) -> dict[str, str]:
    argv: list[Argument] = ["blkid", "-p", "-o", "export", "--offset", str(offset), "--size", str(size), disk]
    done = run([*BOUNDED, *argv], check=False, within=60)
    if done.status == 8:  # blkid(8): ambivalent
        raise BadInput("it has the marks of several file systems", hint="wipefs removes earlier ones")
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
