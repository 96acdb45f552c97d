"""The host's own disks, found by their serial number: how `lun:SERIAL` becomes `/dev/sdX`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from domus.model.errors import Conflict, NotFound
from domus.model.host import HostDisk

SYS_BLOCK: Final = Path("/sys/block")

# Made of memory or of other devices: nothing that was plugged into the host.
_NOT_DISKS: Final = ("loop", "ram", "zram", "dm-", "md", "nbd", "xvd")

# SCSI Primary Commands, "Unit Serial Number" vital product data page: four bytes of header
# (its number 0x80 second, the length last), then ASCII, often padded with blanks.
_VPD_SERIAL_PAGE: Final = 0x80
_VPD_HEADER_BYTES: Final = 4

_SECTOR_BYTES: Final = 512  # the unit of /sys/block/*/size, whatever the disk's own sectors are


def list_disks(sys_block: Path = SYS_BLOCK) -> list[HostDisk]:
    """The host's disks, sorted by device."""
    entries = (entry for entry in sys_block.iterdir() if not entry.name.startswith(_NOT_DISKS))
    return sorted((_disk(entry) for entry in entries), key=lambda disk: disk.device)


def find(serial: str, sys_block: Path = SYS_BLOCK) -> HostDisk:
    """The host's disk with this serial number.

    Raises:
        NotFound: no disk has it.
        Conflict: several have it; then nobody can tell which one is meant.
    """
    found = [disk for disk in list_disks(sys_block) if disk.serial == serial] if serial else []
    if not found:
        raise NotFound(
            f"this host has no disk with serial number {serial!r}", hint="`xm lab disk list` shows its disks"
        )
    if len(found) > 1:
        devices = ", ".join(disk.device for disk in found)
        raise Conflict(f"several disks have the serial number {serial!r}: {devices}", hint="use a path")
    return found[0]


def vpd_serial(page: bytes) -> str:
    """The serial number in a disk's vital product data page 0x80; empty when the page is not one."""
    if len(page) < _VPD_HEADER_BYTES or page[1] != _VPD_SERIAL_PAGE:
        return ""
    length = int.from_bytes(page[2:4], "big")
    return _clean(page[_VPD_HEADER_BYTES : _VPD_HEADER_BYTES + length])


def _disk(entry: Path) -> HostDisk:
    return HostDisk(
        device=f"/dev/{entry.name.replace('!', '/')}",
        serial=serial_of(entry),
        size_bytes=int(_read(entry / "size") or b"0") * _SECTOR_BYTES,
        read_only=_read(entry / "ro").strip() == b"1",
    )


def serial_of(entry: Path) -> str:
    """The serial number of the disk with this folder in sysfs; empty when it has none."""
    # SCSI has the page, virtio-blk the attribute beside the disk, NVMe the one of its controller.
    page = _read(entry / "device/vpd_pg80")
    return vpd_serial(page) if page else _clean(_read(entry / "serial") or _read(entry / "device/serial"))


def _clean(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip("\0 \n")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
