"""Virtual block devices: what a disk needs on this host, who uses what, and how a backend is answered.

Decisions are functions without I/O; `domus.devices.hotplug` carries them out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from domus.devices.backends import CONNECTED, FAILED, NO_SCRIPT, BackendState, DeviceKind, DeviceRef
from domus.model.config import Disk, DiskFormat, GuestType
from domus.model.errors import InUse
from domus.storage import footprint, loop
from domus.storage.footprint import Footprint
from domus.storage.targets import DeviceNumber, Target

#: What has to be known of a backend to decide, and to know what it occupies.
NODES: Final = ("script", "state", "hotplug-status", "physical-device", "params", "mode")


class Plugging(StrEnum):
    """How a disk's bytes reach its backend."""

    LOOP = "loop"  #: an image file: a loop device of ours, served by blkback
    DEVICE = "device"  #: a block device, served by blkback
    QEMU = "qemu"  #: QEMU opens the target itself (qcow2 and others, drives that change their medium)
    SCRIPT = "script"  #: the user's own hotplug script does it; the target is its argument
    ELSEWHERE = "elsewhere"  #: a driver domain serves it; the target is a path over there
    EMPTY = "empty"  #: a drive without a medium


def plugging(disk: Disk, guest_type: GuestType) -> Plugging:
    """How a disk is plugged. LOOP stands for both: an image and a device look the same in a configuration."""
    if disk.target is None or disk.format is DiskFormat.EMPTY:
        return Plugging.EMPTY
    if disk.backend_domain not in (None, "0", "Domain-0"):
        return Plugging.ELSEWHERE
    if disk.script is not None:
        return Plugging.SCRIPT
    # libxl serves an HVM guest's CD drive by QEMU, since only that can change the medium.
    hvm_cdrom = disk.cdrom and guest_type is GuestType.HVM and disk.backend is None
    other_backend = disk.backend not in (None, "phy") or disk.specification not in (None, "xen")
    if disk.format is not DiskFormat.RAW or other_backend or hvm_cdrom:
        return Plugging.QEMU
    return Plugging.LOOP


def is_writable(disk: Disk) -> bool:
    """The guest may write to it; to a CD it never may."""
    return disk.writable and not disk.cdrom


# Who uses what


@dataclass(frozen=True)
class Occupant:
    """A backend that has a disk open, or will: what may not be written twice."""

    device: DeviceRef
    params: str  #: node "params": a path, for QEMU with "FORMAT:" before it
    number: DeviceNumber | None  #: node "physical-device"; None until it is plugged
    writable: bool

    def path(self) -> str:
        """The real path of its image or device. Reads sysfs and symbolic links: worker threads."""
        path = self.image()[1]
        return loop.backing_file(path) or os.path.realpath(path) if path else ""

    def image(self) -> tuple[str, str]:
        """The format that the backend reads it in, "" for blkback's; and the path that it has open."""
        form, colon, behind = self.params.partition(":")
        return (form, behind) if self.device.kind is DeviceKind.QDISK and colon else ("", self.params)

    def footprint(self) -> Footprint:
        """Which bytes it has. Reads sysfs: worker threads."""
        if self.number is not None:
            return footprint.of_device(self.number.major, self.number.minor)
        path = self.image()[1]
        return footprint.of_path(path) if path else Footprint()


@dataclass(frozen=True)
class Claim:
    """The use of a disk, by a backend or by a configuration that is about to have one."""

    who: str  #: for the error: "domain 5", "disk[1]"
    path: str  #: real path, for people
    footprint: Footprint
    writable: bool
    shared: bool = False  #: the user answers for what others do ("w!")

    @classmethod
    def of_target(cls, who: str, target: Target, disk: Disk) -> Claim:
        """The claim of a configuration's disk."""
        return cls(who, target.path, target.footprint, is_writable(disk), disk.shared)

    @classmethod
    def of_backing(cls, who: str, path: str) -> Claim:
        """The claim to an image that another one stands on: it must not be written meanwhile."""
        return cls(who, path, footprint.of_path(path), writable=False)

    def same_disk(self, other: Claim) -> bool:
        """Both are about the same bytes, or about some of them."""
        return self.footprint.overlaps(other.footprint)


def check_claim(wanted: Claim, others: Iterable[Claim]) -> None:
    """Refuse a disk that someone else uses, when one of the two may write to it.

    As xen's hotplug script `block` has it, `shared` ("w!") lets the one who asks through.

    Raises:
        InUse: who has it.
    """
    if wanted.shared:
        return
    for other in others:
        if wanted.same_disk(other) and (wanted.writable or other.writable):
            how = "for writing" if other.writable else "read-only"
            raise InUse(
                f"{wanted.path} is in use {how} by {other.who}",
                where=wanted.who,
                hint="mode w! lets several write to it, for filesystems made for that",
            )


# Answering a backend


@dataclass(frozen=True)
class Connect:
    """Tell blkback which device it serves."""

    device: DeviceRef
    path: str  #: the block device


def occupant(device: DeviceRef, nodes: Mapping[str, str | None]) -> Occupant:
    """What a backend occupies, by its nodes."""
    return Occupant(
        device=device,
        params=nodes["params"] or "",
        number=parse_physical_device(nodes["physical-device"]),
        writable=(nodes["mode"] or "w").startswith("w"),
    )


def decide(device: DeviceRef, nodes: Mapping[str, str | None]) -> Connect | None:
    """What is to be done for a vbd in this state; None: nothing, or it is not ours to do."""
    waits = BackendState.parse(nodes["state"]) in (BackendState.INITIALISING, BackendState.INIT_WAIT)
    if nodes["script"] != NO_SCRIPT or not waits or nodes["hotplug-status"] in (CONNECTED, FAILED):
        return None
    return Connect(device, nodes["params"] or "")


def answer(path: str) -> dict[str, str]:
    """The nodes that tell blkback to serve this block device. May block: worker threads, or /dev.

    Raises:
        OSError: the path is no block device.
    """
    facts = Path(path).stat()
    if not stat.S_ISBLK(facts.st_mode):
        raise OSError(0, f"{path} is not a block device")
    return {
        "physical-device-path": path,
        "physical-device": physical_device(DeviceNumber.of(facts.st_rdev)),
        "hotplug-status": CONNECTED,
    }


def physical_device(number: DeviceNumber) -> str:
    """A device's number as blkback reads it."""
    # Two hexadecimal numbers without 0x: Linux drivers/block/xen-blkback/xenbus.c scans "%x:%x".
    return f"{number.major:x}:{number.minor:x}"


def parse_physical_device(text: str | None) -> DeviceNumber | None:
    """The device that a node "physical-device" names; None: it names none."""
    major, colon, minor = (text or "").partition(":")
    try:
        return DeviceNumber(int(major, 16), int(minor, 16)) if colon else None
    except ValueError:
        return None


def is_served(device: DeviceRef) -> bool:
    """Blkback has the device open."""
    # It makes this attribute as soon as it has (xen-blkback/xenbus.c, xenvbd_sysfs_addif).
    return (device.kernel_path / "physical_device").exists()
