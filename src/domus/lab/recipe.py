"""What goes into a host image, as data; its digest names the image."""

from __future__ import annotations

import hashlib
import os
from typing import Final

import msgspec

#: What dom0 needs beside Debian's minimal base. Xen's tools; QEMU for emulated and qcow2 devices; boot
#: loaders for guests' own kernels; what xend imports (Debian's own packages: a server installs the same
#: ones); what disks and networks are made with; busybox as init and for guests.
PACKAGES: Final = (
    "xen-hypervisor-4.20-amd64",
    "xen-utils-4.20",
    "xenstore-utils",
    "qemu-system-xen",
    "qemu-utils",
    "grub-xen-bin",
    "grub-xen-host",
    "linux-image-amd64",
    "linux-image-cloud-amd64",
    "python3-msgspec",
    "python3-starlette",
    "python3-uvicorn",
    "python3-httptools",
    "python3-websockets",
    "python3-lz4",
    "python3-zstandard",
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
    "openvswitch-switch",
    "tcpdump",
    "procps",
)

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
    suite: str = "trixie"
    mirror: str = ""  #: empty: where mmdebstrap goes by itself
    packages: tuple[str, ...] = PACKAGES
    excluded: tuple[str, ...] = EXCLUDED
    dom0_modules: tuple[str, ...] = DOM0_MODULES
    guest_modules: tuple[str, ...] = GUEST_MODULES
    init: str = ""  #: digest of the scripts that are built in

    @property
    def name(self) -> str:
        """The image's name: the suite and the first digits of the recipe's digest."""
        return f"{self.suite}-{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]}"


def from_environment() -> Recipe:
    """The recipe that this version of Domus uses; `DOMUS_MIRROR` names another Debian mirror."""
    return Recipe(mirror=os.environ.get("DOMUS_MIRROR", ""))
