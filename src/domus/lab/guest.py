"""The small guest: a Debian cloud kernel, a busybox initial RAM disk and a little disk, to have at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from domus.lab import image, initrd
from domus.lab.image import SCRIPTS
from domus.lab.progress import Report, silent
from domus.lab.record import Suite
from domus.model.errors import AlreadyExists

DISK_MIB = 16

#: what the guest finds at the beginning of its disk, and tells
GREETING = b"a disk lent by the lab\n"


def make(folder: Path, report: Report = silent, suite: Suite | None = None) -> Path:
    """Put kernel, initrd and disk.img of the small guest into `folder`; a disk that is there stays as it is.

    Args:
        suite: whose cloud kernel; None: the usual one.

    Raises:
        AlreadyExists: `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise AlreadyExists(f"{folder} is there and is not a folder")
    source = image.wanted(report, suite).folder / "guest"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".part-") as work:
        fresh = Path(work)
        shutil.copyfile(source / "vmlinuz", fresh / "kernel")
        initrd.build(
            fresh / "initrd",
            busybox=source / "busybox",
            init=SCRIPTS / "guest-init",
            modules=sorted((source / "modules").iterdir()),
        )
        for name in ("kernel", "initrd"):
            (fresh / name).replace(folder / name)
    disk = folder / "disk.img"
    if not disk.exists():
        part = folder / ".disk.img.part"
        with part.open("wb") as file:
            file.write(GREETING)
            file.truncate(DISK_MIB * 2**20)
        part.rename(disk)
    return folder
