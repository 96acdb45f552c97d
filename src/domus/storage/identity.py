"""Which disk this is, whatever a host calls it: marks that are the same on every host that has it.

Only what the kernel knows is looked at (serial numbers, names of volumes, where a file is); not one byte of
a disk is read or written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from domus.model.errors import DomusError
from domus.model.migration import DiskIdentity
from domus.storage import dom0_use, host_disks, targets
from domus.storage.targets import Target

SYS_CLASS_BLOCK: Final = Path("/sys/class/block")

#: filesystems that several hosts have mounted at once, from a server or from a disk that they share
_OF_SERVERS: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "glusterfs", "fuse.glusterfs", "beegfs", "fuse.moosefs")
)
_OF_CLUSTERS: Final = frozenset(("ocfs2", "gfs2"))


def of(vdev: str, target: Target) -> DiskIdentity:
    """What there is to know of a disk's target.

    Where it runs:
        Reads sysfs and procfs: worker threads.
    """
    if target.device is not None:
        marks = _of_device(Path(os.path.realpath(targets.SYS_DEV_BLOCK / str(target.device))))
        local = "" if marks else f"{target.path} has no serial number that other hosts could know"
    else:
        marks, local = _of_file(target.path)
    return DiskIdentity(
        vdev=vdev, target=target.asked, marks=marks, size_bytes=target.size_bytes, local=local
    )


def find(wanted: DiskIdentity, *, writable: bool) -> Target | None:
    """This host's target for a disk of another host; None: it is not here.

    It is looked for under its name over there first, then under any other.

    Where it runs:
        Reads sysfs and procfs: worker threads.
    """
    for name in (wanted.target, *_others(wanted)):
        try:
            target = targets.inspect(name, writable=writable)
        except DomusError:
            continue
        if set(of(wanted.vdev, target).marks) & set(wanted.marks):
            return target
    return None


def _others(wanted: DiskIdentity) -> list[str]:
    """Names under which a disk could be here."""
    names = [f"/dev/{entry.name.replace('!', '/')}" for entry in sorted(SYS_CLASS_BLOCK.iterdir())]
    files = {mark.removeprefix("file:") for mark in wanted.marks if mark.startswith("file:")}
    for mount in _mounts():
        source = f"{mount.source}{mount.root.rstrip('/')}/"
        inside = (file.removeprefix(source) for file in files if file.startswith(source))
        names += [str(Path(mount.point) / file) for file in inside]
    return names


def _of_device(entry: Path) -> tuple[str, ...]:
    if (entry / "partition").exists():
        number = _text(entry / "partition")
        return tuple(f"{mark} partition {number}" for mark in _of_device(entry.parent))
    marks = []
    if (name := _text(entry / "dm/uuid")).startswith(("LVM-", "mpath-")):
        marks.append(f"dm:{name}")
    if name := _text(entry / "device/wwid") or _text(entry / "wwid"):
        marks.append(f"wwid:{name}")
    if serial := host_disks.serial_of(entry):
        marks.append(f"serial:{serial}")
    return tuple(marks)


def _of_file(path: str) -> tuple[tuple[str, ...], str]:
    mount = max(
        (each for each in _mounts() if path.startswith(f"{each.point.rstrip('/')}/")),
        key=lambda each: len(each.point),
        default=None,
    )
    if mount is None:
        return (), "nobody knows on which filesystem it is"
    if mount.kind in _OF_SERVERS:
        inside = f"{mount.root.rstrip('/')}/{path.removeprefix(mount.point).lstrip('/')}"
        return (f"file:{mount.source}{inside}",), ""
    if mount.kind in _OF_CLUSTERS:
        disk = _of_device(Path(os.path.realpath(targets.SYS_DEV_BLOCK / mount.device)))
        return tuple(f"{mark} inode {Path(path).stat().st_ino}" for mark in disk), ""
    return (), f"a file on {mount.kind}, which only this host has"


def _mounts() -> list[dom0_use.Mount]:
    return dom0_use.parse_mounts(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
