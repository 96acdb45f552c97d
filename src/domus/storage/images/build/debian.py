"""Debian and Ubuntu roots, by mmdebstrap."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from domus.storage import mmdebstrap
from domus.storage.images.build.template import Wanted
from domus.storage.images.names import Report

#: what every root has beside the distribution's minimal base
_BASE: Final = (
    *("systemd-sysv", "udev", "dbus", "kmod", "iproute2", "iputils-ping", "procps", "ca-certificates"),
    *("less", "nano", "e2fsprogs"),
)
_FILE_SYSTEM: Final = {"ext4": (), "xfs": ("xfsprogs",), "btrfs": ("btrfs-progs",)}
_KERNELS: Final = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}
_BOOT: Final = ("grub2-common", "grub-pc-bin", "initramfs-tools", "zstd")
#: suites whose systemd has its resolver inside
_RESOLVER_INSIDE: Final = ("bullseye", "focal", "jammy")

#: mmdebstrap's lines, what they mean, and which part of its work is done when they appear (measured)
_STEPS: Final = (
    ("running apt-get update", "reading the package lists", 0.02),
    ("downloading packages", "downloading packages", 0.08),
    ("extracting archives", "unpacking the minimal system", 0.22),
    ("installing essential", "installing the minimal system", 0.30),
    ("installing remaining", "installing packages", 0.45),
    ("cleaning package lists", "cleaning up", 0.98),
)


def packages(wanted: Wanted) -> list[str]:
    """All that is installed beside the minimal base."""
    template = wanted.template
    found = [*_BASE, *_FILE_SYSTEM[template.fs], *template.packages]
    if template.suite not in _RESOLVER_INSIDE:
        found.append("systemd-resolved")
    if template.kernel != "none":
        found += [template.kernel or _KERNELS[wanted.distribution], *_BOOT]
    if wanted.keys:
        found.append("openssh-server")
    if template.user:
        found.append("sudo")
    if wanted.user_data:
        found.append("cloud-init")
    return list(dict.fromkeys(found))


def bootstrap(wanted: Wanted, root: Path, before: Path, report: Report) -> None:
    """Fill folder `root`, as root of the namespaces that we run in.

    Args:
        before: a tree that is laid over the minimal system before the other packages are installed.

    Raises:
        ProgramFailed: mmdebstrap did, with what it said.
    """
    template = wanted.template
    components = "main,universe" if wanted.distribution == "ubuntu" else "main"
    argv = [
        *("mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase"),
        *("--aptopt=Apt::Install-Recommends false", "--aptopt=Acquire::Retries 3"),
        "--dpkgopt=force-unsafe-io",  # what is not whole is thrown away
        f"--components={components}",
        f"--include={','.join(packages(wanted))}",
        f"--essential-hook=sync-in {shlex.quote(str(before))} /",
        *([f"--keyring={template.keyring}"] if template.keyring else []),
        template.suite,
        str(root),
        *([template.mirror] if template.mirror else []),
    ]
    mmdebstrap.follow(argv, _STEPS, report)
