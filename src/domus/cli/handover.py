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
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.target import Target
    from domus.model.config import Disk, DomainConfig

#: what a target or kernel that is not a path begins with
_NAMES = ("lun:", "sha256:")


def hand_over(config: DomainConfig, target: Target) -> DomainConfig:
    """`config` as the host can use it; its files are there when this returns.

    Raises:
        BadInput: on this machine a kernel or ramdisk is missing; all that are, at once.
    """
    if target.shares_files:
        missing = missing_files(config)
        if missing:
            raise BadInput("; ".join(missing))
        return _with_paths_made_absolute(config)
    return msgspec.structs.replace(
        config,
        kernel=config.kernel if config.bootloader else _as_blob(config.kernel, target),
        ramdisk=config.ramdisk if config.bootloader else _as_blob(config.ramdisk, target),
        disks=tuple(_as_lun(disk, target) for disk in config.disks),
    )


def hand_over_disk(disk: Disk, target: Target) -> Disk:
    """One disk as the host can use it."""
    if target.shares_files:
        return msgspec.structs.replace(disk, target=_absolute(disk.target))
    return _as_lun(disk, target)


def missing_files(config: DomainConfig) -> list[str]:
    """What is said, in xm's words, about each file of this machine that is not there."""
    from domus.config.files import missing_kernel

    return list(missing_kernel(config))


def _with_paths_made_absolute(config: DomainConfig) -> DomainConfig:
    return msgspec.structs.replace(
        config,
        kernel=_absolute(config.kernel),
        ramdisk=_absolute(config.ramdisk),
        disks=tuple(msgspec.structs.replace(disk, target=_absolute(disk.target)) for disk in config.disks),
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
