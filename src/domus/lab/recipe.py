"""What goes into a host image, as data; its digest names the image."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from domus.lab.record import Suite

#: What dom0 needs beside Debian's minimal base, Xen's tools and what xend imports: QEMU for emulated and
#: qcow2 devices; boot loaders for guests' own kernels; what disks and networks are made with; busybox as init
#: and for guests.
_VIRTUAL_MACHINES: Final = (
    "xenstore-utils",
    "qemu-system-xen",
    "qemu-utils",
    "grub-xen-bin",
    "grub-xen-host",
    "linux-image-amd64",
    "linux-image-cloud-amd64",
)
_TOOLS: Final = (
    "busybox-static",
    "iproute2",
    "iputils-ping",
    "nftables",
    "dnsmasq-base",
    "kmod",
    "e2fsprogs",
    "xfsprogs",
    "btrfs-progs",
    "fdisk",
    "lvm2",
    "thin-provisioning-tools",
    "nbd-client",
    "open-iscsi",
    "drbd-utils",
    "openvswitch-switch",
    "tcpdump",
    "procps",
)


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a Debian release has of its own."""

    xen: str  #: version of its Xen, as in the packages' names
    python: str  #: version of its Python
    imports: tuple[str, ...]  #: its packages of what xend imports
    #: the rest of what xend imports, because the release does not have it, or not new enough: a lock file of
    #: Python packages, which go where an administrator's pip puts them
    lock: Path | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        """All Debian packages of dom0."""
        xen = (f"xen-hypervisor-{self.xen}-amd64", f"xen-utils-{self.xen}")
        return (*xen, *_VIRTUAL_MACHINES, *self.imports, *_TOOLS)

    @property
    def site(self) -> str:
        """Where the packages of the lock file go in dom0."""
        return f"/usr/local/lib/python{self.python}/dist-packages"


RELEASES: Final = {
    Suite.TRIXIE: Release(
        xen="4.20",
        python="3.13",
        imports=(
            "python3-msgspec",
            "python3-starlette",
            "python3-uvicorn",
            "python3-httptools",
            "python3-websockets",
            "python3-lz4",
            "python3-zstandard",
        ),
    ),
    Suite.BOOKWORM: Release(
        xen="4.17", python="3.11", imports=("python3",), lock=Path(__file__).with_name("bookworm.lock")
    ),
}

#: Parts of the kernel packages that no lab host can use: no such hardware is in QEMU's machine.
EXCLUDED: Final = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/lib/udev/hwdb.d/*",
    *(
        f"/usr/lib/modules/*/kernel/{part}/*"
        for part in (
            "sound",
            "drivers/media",
            "drivers/gpu",
            "drivers/infiniband",
            "drivers/iio",
            "drivers/hwmon",
            "drivers/net/wireless",
            "drivers/net/ethernet",
            "drivers/net/usb",
            "drivers/staging",
            "drivers/usb",
            "drivers/hid",
            "drivers/platform",
            "net/wireless",
            "net/mac80211",
            "net/bluetooth",
            "drivers/bluetooth",
        )
    ),
)

#: What dom0 loads before its root is there, and what its back ends need (in this order).
DOM0_MODULES: Final = (
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_net",
    "virtio_console",
    "virtio-rng",
    "sd_mod",
    "squashfs",
    "overlay",
    "ext4",
    "xen-privcmd",
    "xen-evtchn",
    "xenfs",
    "xen-gntdev",
    "xen-gntalloc",
    "xen-blkback",
    "xen-netback",
    "bridge",
    "loop",
    "tun",
    "af_packet",
)

#: What the small guest loads: its front ends, and nothing else.
GUEST_MODULES: Final = ("xen-blkfront", "xen-netfront", "af_packet", "ext4")


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a host image is made; two equal recipes make the same image."""

    format: int = 2  #: of the image folder; a change of the builder's own code counts it up
    suite: Suite
    mirror: str = ""  #: empty: where mmdebstrap goes by itself
    packages: tuple[str, ...]
    excluded: tuple[str, ...] = EXCLUDED
    dom0_modules: tuple[str, ...] = DOM0_MODULES
    guest_modules: tuple[str, ...] = GUEST_MODULES
    init: str = ""  #: digest of the files of our own that are built in

    @property
    def name(self) -> str:
        """The image's name: the suite and the first digits of the recipe's digest."""
        return f"{self.suite}-{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]}"


def recipe_of(suite: Suite, init: Path) -> Recipe:
    """The recipe that this version of Domus uses for a suite; `DOMUS_MIRROR` names another Debian mirror.

    Args:
        init: the script that is process 1 of dom0's initial RAM disk.
    """
    release = RELEASES[suite]
    own = [init] if release.lock is None else [init, release.lock]
    return Recipe(
        suite=suite,
        mirror=os.environ.get("DOMUS_MIRROR", ""),
        packages=release.packages,
        init=hashlib.sha256(b"".join(path.read_bytes() for path in own)).hexdigest(),
    )
