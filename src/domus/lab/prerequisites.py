"""What the lab needs of the machine that runs it, examined for `xm doctor`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from domus.lab import accel, paths
from domus.lab.machine import QEMU
from domus.model.doctor import Finding, Severity

#: programs and files, and the Debian package that brings each (scripts/setup installs the same)
PROGRAMS: Final = {
    QEMU: "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "cpio": "cpio",
}
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"

#: MiB: a first image while it is built, and a template with its RAM
SPACE_MIB: Final = 4096
#: MiB: a host with its 1536, and what the runner needs besides
MEMORY_MIB: Final = 2048


def lab() -> Iterator[Finding]:
    """Programs, KVM, space and memory."""

    def found(severity: Severity, what: str, mend: str = "") -> Finding:
        return Finding(check="lab", severity=severity, what=what, mend=mend)

    missing = [(program, package) for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if os.geteuid() and shutil.which("newuidmap") is None:
        missing.append(("newuidmap", "uidmap"))
    for program, package in missing:
        yield found(
            Severity.ERROR, f"{program} is not installed: xm lab needs it", f"sudo apt install {package}"
        )
    if not Path(KEYRING).exists():
        yield found(
            Severity.ERROR,
            f"{KEYRING} is not there: xm lab cannot check Debian's packages",
            "sudo apt install debian-archive-keyring",
        )
    if not any(program == QEMU for program, _ in missing):
        accelerator, why = accel.choose()
        if accelerator is not accel.Accelerator.KVM:
            yield found(
                Severity.NOTE,
                f"lab hosts are emulated, some 15 times slower than with KVM: {why}",
                "a machine or a virtual machine with KVM (nested virtualization)",
            )
    yield from _space(found_in=paths.cache_dir())
    free = _available_mib()
    if free is not None and free < MEMORY_MIB:
        yield found(
            Severity.WARNING, f"{free} MiB of memory are free: a lab host takes 1536", "end other programs"
        )


def _space(*, found_in: Path) -> Iterator[Finding]:
    there = next(path for path in (found_in, *found_in.parents) if path.exists())
    free = shutil.disk_usage(there).free >> 20
    if free < SPACE_MIB:
        yield Finding(
            check="lab",
            severity=Severity.WARNING,
            what=f"{free} MiB are free in {there}: building an image takes up to {SPACE_MIB}",
            mend="DOMUS_CACHE=DIRECTORY names another place; 'xm lab image rm' removes old images",
        )


def _available_mib() -> int | None:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return None
