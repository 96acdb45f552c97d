"""The files that a configuration names, looked up on this machine: the missing, and images of another format.

A configuration may be checked where its files are not, so that none of this is a mistake of the file.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from domus.model.config import Disk, DomainConfig

_SCRIPTS: Final = Path("/etc/xen/scripts")
#: where distributions keep the programs of Xen that are in nobody's PATH
_PROGRAMS: Final = ("/usr/lib/xen/bin", "/usr/libexec/xen/bin", "/usr/local/lib/xen/bin")

#: how images begin (QEMU's docs/interop; the VHD and VMDK specifications)
_BEGINNINGS: Final = (
    (b"QFI\xfb\0\0\0\1", "qcow"),
    (b"QFI\xfb", "qcow2"),
    (b"QED\0", "qed"),
    (b"conectix", "vhd"),
    (b"vhdxfile", "vhdx"),
    (b"KDMV", "vmdk"),
    (b"# Disk DescriptorFile", "vmdk"),
)
_SECTOR: Final = 512


def doubts(config: DomainConfig) -> Iterator[str]:
    """Every file that is not here or not what it is said to be, a line each."""
    yield from missing_kernel(config)
    for what, name in _other_files(config):
        if name is not None and not Path(name).is_file():
            yield f"{what}: {_trouble(Path(name))}"
    yield from _programs(config)
    for index, disk in enumerate(config.disks):
        if (path := path_of(disk)) is not None and not _is_disk(path):
            yield f"disk[{index}]: {_trouble(path)}"
    yield from wrong_formats(config)
    for index, share in enumerate(config.p9s):
        if share.path is not None and share.backend_domain is None and not Path(share.path).is_dir():
            yield f"p9[{index}]: {share.path}: no such directory"


def missing_kernel(config: DomainConfig) -> Iterator[str]:
    """A kernel or ramdisk that is not here, in xm's words; those that a bootloader takes are the guest's."""
    if config.bootloader is not None:
        return
    for what, path in (("kernel", config.kernel), ("ramdisk", config.ramdisk)):
        if path and not path.startswith(("lun:", "sha256:")) and not Path(path).exists():
            yield f'Cannot find {what} "{path}"'


def wrong_formats(config: DomainConfig) -> Iterator[str]:
    """Images that are here and begin otherwise than the format that they are declared to have."""
    for index, disk in enumerate(config.disks):
        path = path_of(disk)
        found = None if path is None else format_of(path)
        if found is None or found == disk.format.value:
            continue
        if found == "raw":
            yield f"disk[{index}]: {path} does not begin as an image in the format {disk.format.value}"
        else:
            yield f"disk[{index}]: {path} is declared {disk.format.value} but looks like {found}"


def path_of(disk: Disk) -> Path | None:
    """The file or device behind a disk that this machine would serve; None: there is none."""
    elsewhere = disk.script is not None or disk.backend_domain not in (None, "0", "Domain-0")
    if disk.target is None or elsewhere or not disk.target.startswith("/"):
        return None
    return Path(disk.target)


def format_of(path: Path) -> str | None:
    """The format that an image shows by its contents, "raw" if it shows none; None: it cannot be told.

    Only regular files are opened: reading from a device can do something to it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        first = os.pread(descriptor, _SECTOR, 0)
        last = os.pread(descriptor, _SECTOR, max(0, status.st_size - _SECTOR))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    for beginning, name in _BEGINNINGS:
        if first.startswith(beginning):
            return name
    return "vhd" if last.startswith(b"conectix") else "raw"  # a fixed VHD is raw with a footer


def _other_files(config: DomainConfig) -> Iterator[tuple[str, str | None]]:
    """Files by the parameters that name them."""
    yield "device_tree", config.device_tree
    if config.hvm is not None:
        yield "firmware_override", config.hvm.firmware
        yield "bios_path_override", config.hvm.system_firmware
        yield "acpi_firmware", config.hvm.acpi_firmware
        yield "smbios_firmware", config.hvm.smbios_firmware
    if config.pvh is not None:
        yield "pvshim_path", config.pvh.pvshim_path
    if config.device_model is not None:
        yield "device_model_override", config.device_model.path
        yield "stubdomain_kernel", config.device_model.stubdomain_kernel
        yield "stubdomain_ramdisk", config.device_model.stubdomain_ramdisk


def _programs(config: DomainConfig) -> Iterator[str]:
    """The bootloader and the scripts of devices."""
    if config.bootloader is not None and Path(config.bootloader).name != "pvgrub":
        places = os.pathsep.join((*_PROGRAMS, os.environ.get("PATH", os.defpath)))
        if shutil.which(config.bootloader, path=places) is None:
            yield f"bootloader: no program {config.bootloader} here"
    devices = [*((f"disk[{n}]", disk.script) for n, disk in enumerate(config.disks)),
               *((f"vif[{n}]", nic.script) for n, nic in enumerate(config.nics))]  # fmt: skip
    for label, script in devices:
        if script is not None and not os.access(_SCRIPTS / script, os.X_OK):
            yield f"{label}: no script {_SCRIPTS / script} that can be run"


def _is_disk(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode)


def _trouble(path: Path) -> str:
    """Why a path is not the file that it should be."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return f"{path}: permission denied"
    except (OSError, ValueError):
        return f"{path}: no such file"
    return f"{path} is a directory" if stat.S_ISDIR(mode) else f"{path} is neither a file nor a block device"
