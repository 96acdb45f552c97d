"""Putting the disk together: a GPT, GRUB's core, swap, and the root file system as its last partition."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Final

from domus.programs import run
from domus.storage.images import copying, partitions
from domus.storage.images.build import boot
from domus.storage.images.names import MIB, SECTOR_BYTES, Report

_BIOS_BOOT: Final = "21686148-6449-6E6F-744E-656564454649"
_SWAP: Final = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
_ROOT_X86_64: Final = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"

#: before the first partition, and behind the last: the tables, and alignment
_ENDS_BYTES: Final = MIB
_BIOS_BOOT_BYTES: Final = MIB


def root_bytes(size: int, swap: int) -> int:
    """What the root file system has of a disk of `size` bytes."""
    return (size - 2 * _ENDS_BYTES - _BIOS_BOOT_BYTES - _whole(swap)) // MIB * MIB


def assemble(
    target: Path, size: int, part: Path, core: Path, swap_bytes: int, swap_uuid: str, report: Report
) -> None:
    """Make the disk image `target` of the file system in `part`."""
    swap = _whole(swap_bytes)
    bios_start = _ENDS_BYTES // SECTOR_BYTES
    swap_start = bios_start + _BIOS_BOOT_BYTES // SECTOR_BYTES
    root_start = swap_start + swap // SECTOR_BYTES
    root_sectors = root_bytes(size, swap_bytes) // SECTOR_BYTES
    lines = [
        "label: gpt",
        f"start={bios_start}, size={_BIOS_BOOT_BYTES // SECTOR_BYTES}, type={_BIOS_BOOT}, name=bios",
        *([f"start={swap_start}, size={swap // SECTOR_BYTES}, type={_SWAP}, name=swap"] if swap else []),
        f"start={root_start}, size={root_sectors}, type={_ROOT_X86_64}, name=root",
    ]
    with target.open("xb") as file:
        os.ftruncate(file.fileno(), size)
    partitions.write(target, "\n".join(lines) + "\n")
    code, grub = boot.sectors(core.read_bytes(), bios_start)
    with target.open("r+b") as file, part.open("rb") as source:
        file.write(code)
        file.seek(bios_start * SECTOR_BYTES)
        file.write(grub)
        file.flush()
        if swap:
            _swap(target.with_name("swap"), swap, swap_uuid, file.fileno(), swap_start * SECTOR_BYTES, report)
        copying.transfer(
            source.fileno(),
            file.fileno(),
            report,
            "putting the disk together",
            shift=root_start * SECTOR_BYTES,
        )


def new_uuid() -> str:
    """For a file system."""
    return str(uuid.uuid4())


def _swap(swap: Path, size: int, called: str, disk: int, start: int, report: Report) -> None:
    with swap.open("xb") as file:
        os.ftruncate(file.fileno(), size)
    swap.chmod(0o600)
    run(["mkswap", "--uuid", called, swap])
    with swap.open("rb") as file:
        copying.transfer(file.fileno(), disk, report, "making swap", shift=start)
    swap.unlink()


def _whole(size: int) -> int:
    return -(-size // MIB) * MIB
