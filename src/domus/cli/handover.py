"""The files that a configuration names: what the host does not have is handed over to it.

On this machine a path is a path. To another host kernels and ramdisks go as blobs; a lab host is lent disk
images too, which it then has as LUNs. A path that does not exist here is left as it is: it may exist there,
and the host says so if it does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from domus.cli.target import Lab
from domus.model.errors import BadInput, Conflict

if TYPE_CHECKING:
    from domus.cli.target import Target
    from domus.model.config import Disk, DomainConfig

#: what a target or kernel that is not a path begins with
_NAMES = ("lun:", "sha256:")

#: an image of this machine's store
IMAGE = "image:"


def hand_over(config: DomainConfig, target: Target) -> DomainConfig:
    """`config` as the host can use it; its files are there when this returns.

    Raises:
        BadInput: on this machine a kernel or ramdisk is missing; all that are, at once.
    """
    if target.shares_files:
        missing = missing_files(config)
        if missing:
            raise BadInput("; ".join(missing))
        return _with_paths_made_absolute(config, target)
    return msgspec.structs.replace(
        config,
        kernel=config.kernel if config.bootloader else _as_blob(config.kernel, target),
        ramdisk=config.ramdisk if config.bootloader else _as_blob(config.ramdisk, target),
        disks=tuple(hand_over_disk(disk, target) for disk in config.disks),
    )


def hand_over_disk(disk: Disk, target: Target) -> Disk:
    """One disk as the host can use it."""
    if disk.target is not None and disk.target.startswith(IMAGE):
        return _image(disk, disk.target.removeprefix(IMAGE), target)
    if target.shares_files:
        return msgspec.structs.replace(disk, target=_absolute(disk.target))
    return _as_lun(disk, target)


def missing_files(config: DomainConfig) -> list[str]:
    """What is said, in xm's words, about each file of this machine that is not there."""
    from domus.config.files import missing_kernel

    return list(missing_kernel(config))


def _image(disk: Disk, reference: str, target: Target) -> Disk:
    """The disk that is an image of this machine's store; a lab host is lent it, and sees a raw disk."""
    from domus.model.config import DiskFormat
    from domus.storage.images import places

    if not target.shares_files and not isinstance(target, Lab):
        raise BadInput(
            f"{disk.target}: images are handed over to this machine's Xen and to lab hosts only",
            hint="name the file as that host has it",
        )
    store = places.store()
    entry = store.find(reference)
    if disk.writable:
        if entry.snapshot:
            raise Conflict(f"{disk.target} is a snapshot", hint="mode r, or a clone of it")
        if clones := store.clones_of(entry):
            raise Conflict(
                f"{disk.target} cannot be written: {', '.join(clones)} share its data",
                hint=f"mode r, or 'xm image clone {reference} NEWNAME'",
            )
    if isinstance(target, Lab):
        driver = entry.format.value
        lun = target.lend(entry.path, read_only=not disk.writable, form=driver)
        return msgspec.structs.replace(disk, target=lun, format=DiskFormat.RAW)
    return msgspec.structs.replace(disk, target=str(entry.path), format=DiskFormat(entry.format.value))


def _with_paths_made_absolute(config: DomainConfig, target: Target) -> DomainConfig:
    return msgspec.structs.replace(
        config,
        kernel=_absolute(config.kernel),
        ramdisk=_absolute(config.ramdisk),
        disks=tuple(hand_over_disk(disk, target) for disk in config.disks),
    )


def _absolute(path: str | None) -> str | None:
    return path if not path or path.startswith(_NAMES) else str(Path(path).absolute())


def _as_blob(path: str | None, target: Target) -> str | None:
    here = _here(path)
    return path if here is None else target.client.put_blob(here)


def _as_lun(disk: Disk, target: Target) -> Disk:
    here = _here(disk.target)
    if here is None or not isinstance(target, Lab):
        return disk
    return msgspec.structs.replace(disk, target=target.lend(here, read_only=not disk.writable))


def _here(path: str | None) -> Path | None:
    """The regular file of this machine that is meant, if there is one; a device is always the host's."""
    if not path or path.startswith(_NAMES):
        return None
    file = Path(path).absolute()
    return file if file.is_file() else None
