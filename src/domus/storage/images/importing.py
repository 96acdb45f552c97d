"""Images of elsewhere: qcow2, VMDK, VHD, VDI, OVA, raw; and root file systems as tar files (see `build`).

None is trusted: its format is told by the user or the file's suffix, never guessed from its content; what it
names besides itself is not followed; qemu-img reads it within bounds.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Final

from domus.config.files import format_of as format_shown
from domus.model.errors import BadInput, NotFound
from domus.model.images import ImageFormat
from domus.storage.images import copying, names, qemu_img
from domus.storage.images.base import Entry, Store
from domus.storage.images.names import SECTOR_BYTES, Report

ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2")

_DISKS_OF_OVA: Final = (".vmdk", ".vhd", ".vhdx", ".img", ".raw", ".qcow2")


def format_of(path: Path, said: str = "") -> str:
    """The format of a foreign file: as said, else by its suffix. "ova" and "tar" are formats here.

    Raises:
        BadInput: neither tells.
    """
    name = path.name.lower()
    if not said and name.endswith(ARCHIVES):
        return "tar"
    form = (said or name.rpartition(".")[2]).lower()
    if form not in (*qemu_img.DRIVERS, "ova", "tar"):
        raise BadInput(
            f"{path}: its suffix tells no format", hint="--from raw, qcow2, vmdk, vhd, vhdx, vdi, ova or tar"
        )
    return form


def take_in(
    store: Store,
    source: Path,
    name: str,
    form: ImageFormat = ImageFormat.RAW,
    report: Report = names.silent,
    *,
    said: str = "",
) -> Entry:
    """Make an image of a foreign file, which stays as it is.

    Args:
        form: of the new image.
        said: the file's format, as the user says; "": by its suffix.

    Raises:
        BadInput: the format is not known, it is not of that format, or takes data from other files.
        AlreadyExists, NoCapacity, NotFound.
    """
    store.check_free(name)
    if not source.is_file():
        raise NotFound(f"{source}: no such file")
    kind = format_of(source, said)
    with store.working() as work:
        if kind == "ova":
            source = _disk_of_ova(source, work, report)
            kind = format_of(source)
        driver = qemu_img.DRIVERS[kind]
        check(source, driver)
        copying.need_space(work, copying.data_bytes(source))
        fresh = work / "image"
        if driver == form.value == "raw":
            copying.copy(source, fresh, report, f"copying {source.name}")
        else:
            target = qemu_img.DRIVERS[form.value]
            qemu_img.convert(source, driver, fresh, target, report, f"converting {source.name}", foreign=True)
        if form is ImageFormat.RAW and (beyond := fresh.stat().st_size % SECTOR_BYTES):
            os.truncate(fresh, fresh.stat().st_size + SECTOR_BYTES - beyond)
        return store.take_in(fresh, name, form)


def check(source: Path, driver: str) -> None:
    """Refuse what is not of the format it is said to be, or refers to other files.

    Raises:
        BadInput: so it is.
        ProgramFailed: qemu-img cannot read it.
    """
    if driver == "raw":
        if (shown := format_shown(source)) not in ("raw", None):
            raise BadInput(f"{source} looks like {shown}, not raw", hint=f"--from {shown}, if you trust it")
        if not source.stat().st_size:
            raise BadInput(f"{source} is empty")
        return
    qemu_img.check_alone(source, qemu_img.info(source, driver, foreign=True))


def _disk_of_ova(source: Path, work: Path, report: Report) -> Path:
    """The only disk of an OVA, which is a tar file with a description and disks (DMTF DSP0243)."""
    try:
        with tarfile.open(source, "r:") as archive:
            disks = [each for each in archive if each.isreg() and each.name.lower().endswith(_DISKS_OF_OVA)]
            if len(disks) != 1:
                listed = ", ".join(each.name for each in disks) or "none"
                raise BadInput(
                    f"{source} has {len(disks)} disks ({listed}); one is needed",
                    hint=f"tar -xf {source}, then import each",
                )
            disk = disks[0]
            copying.need_space(work, 2 * disk.size)
            content = archive.extractfile(disk)
            assert content is not None  # noqa: S101 - a regular file has content
            # Under a name of ours: what the archive calls it is not trusted.
            target = work / f"disk{Path(disk.name.lower()).suffix}"
            with content, target.open("xb") as file:
                while piece := content.read(4 << 20):
                    file.write(piece)
                    report(f"unpacking {disk.name}", file.tell() / disk.size)
            return target
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{source} is no OVA: {error}") from error


__all__ = ["ARCHIVES", "check", "format_of", "take_in"]
