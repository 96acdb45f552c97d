"""Booting the guest's own kernel, whatever its type.

PV and PVH guests are started by pvgrub, which reads /boot/grub/grub.cfg from the guest's file system. HVM
guests begin at the disk's first sector: GRUB's boot sector there loads its core from a BIOS boot partition,
and that reads the same file. The GRUB in the root makes its core; the two sectors that know where it lies are
written here, since grub-bios-setup insists on a device.

Source: GRUB's include/grub/i386/pc/boot.h, grub-core/boot/i386/pc/{boot,diskboot}.S.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Final

from domus.model.errors import HostProblem
from domus.programs import run
from domus.storage.images.build.system import CONSOLES, put
from domus.storage.images.names import SECTOR_BYTES

_MODULES_DIR: Final = "usr/lib/grub/i386-pc"
_DRIVERS: Final = {"ext4": "ext2", "xfs": "xfs", "btrfs": "btrfs"}
_CORE: Final = ("biosdisk", "part_gpt", "search", "search_fs_uuid", "normal", "configfile", "linux", "gzio")

# boot.h
_CODE_BYTES: Final = 440
_KERNEL_SECTOR: Final = 0x5C  #: 8 bytes: where the core begins, in sectors
_DRIVE_CHECK: Final = 0x66  #: 2 bytes: a jump that old firmware of hard disks needs replaced
_NOPS: Final = b"\x90\x90"
# diskboot.S: the list of what is to be loaded ends where its sector does
_BLOCK_LIST: Final = SECTOR_BYTES - 12
_KERNEL_SEGMENT: Final = 0x800 + (SECTOR_BYTES >> 4)

_MENU: Final = """\
# Until a kernel is installed: update-grub then writes it anew.
# Nobody sits at the console of a guest, as in images for clouds.
set timeout=0
set default=0
insmod gzio
if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
{consoles}search --no-floppy --fs-uuid --set=root {uuid}
menuentry "{title}" {{
	search --no-floppy --fs-uuid --set=root {uuid}
	if [ x$grub_platform = xxen -a -f /{repacked} ]; then
		linux /{repacked} root=UUID={uuid} ro $consoles quiet
	else
		linux {kernel} root=UUID={uuid} ro $consoles quiet
	fi
	initrd {initrd}
}}
"""

#: GRUB for PV guests unpacks kernels itself, and knows neither zstd, which Debian and Ubuntu pack theirs with
#: today, nor LZ4 (GRUB 2.12). So the guest keeps each of its kernels in gzip as well: a
#: quarter of what it is unpacked, for a GRUB that reads slowly.
_REPACKER: Final = "etc/kernel/postinst.d/yy-repack-for-pv"
_REPACK: Final = """\
#!/bin/sh
# Keep the kernel in gzip as well: GRUB cannot unpack it otherwise when it starts a PV guest of Xen.
# Called as: VERSION PATH. The offsets are those of Linux' boot protocol (arch/x86/boot.rst).
set -e
version=$1
image=${2:-/boot/vmlinuz-$version}
number() { od -An -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
start=$((($(number 497 1) + 1) * 512 + $(number 584 4)))
length=$(number 588 4)
magic=$(od -An -t x1 -j "$start" -N 4 "$image" | tr -d ' ')
case "$magic" in
28b52ffd) unpack="zstd -dcq" ;;
02214c18) unpack="lz4 -dcq" ;;
*) exit 0 ;; # GRUB knows it
esac
mkdir -p /boot/xen
# the payload's last four bytes tell its length unpacked
new=/boot/xen/vmlinux-$version.new
tail -c "+$((start + 1))" "$image" | head -c "$((length - 4))" | $unpack | gzip -c > "$new"
mv "$new" "/boot/xen/vmlinux-$version.gz"
"""
_REMOVER: Final = "etc/kernel/postrm.d/yy-repack-for-pv"
_REMOVE: Final = """\
#!/bin/sh
rm -f "/boot/xen/vmlinux-$1.gz"
"""
_ENTRIES: Final = "etc/grub.d/09_repacked_for_pv"
_ENTRY: Final = """\
#!/bin/sh
# Entries for PV guests of Xen, first: kernels that are kept in gzip (/etc/kernel/postinst.d).
set -e
for kernel in $(ls -vr /boot/xen/vmlinux-*.gz 2>/dev/null); do
    version=${kernel#/boot/xen/vmlinux-}
    version=${version%.gz}
    [ -e "/boot/initrd.img-$version" ] || continue
    cat <<END
if [ x\\$grub_platform = xxen ]; then
menuentry 'Linux $version' {
	insmod gzio
	search --no-floppy --fs-uuid --set=root $GRUB_DEVICE_UUID
	linux $kernel root=UUID=$GRUB_DEVICE_UUID ro $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT
	initrd /boot/initrd.img-$version
}
fi
END
done
"""


def install(root: Path, fs: str, uuid: str, core: Path | None) -> None:
    """Write the menu into the root, and GRUB's core for HVM guests to file `core` (None: it is not wanted).

    Raises:
        HostProblem: the root has no kernel, or no GRUB.
    """
    kernel, initrd = _kernel(root)
    menu = _MENU.format(
        uuid=uuid,
        title=_title(root),
        kernel=kernel,
        repacked=_repack(root, kernel),
        initrd=initrd,
        consoles=CONSOLES,
    )
    put(root, "boot/grub/grub.cfg", menu)
    if core is None:
        return
    if not (root / _MODULES_DIR / "boot.img").exists():
        raise HostProblem("the root has no GRUB for HVM guests (grub-pc-bin)")
    modules = root / "boot/grub/i386-pc"
    modules.mkdir(parents=True, exist_ok=True)
    for path in (root / _MODULES_DIR).iterdir():
        if path.suffix in (".mod", ".lst"):
            shutil.copyfile(path, modules / path.name)
    put(root, "tmp/early.cfg", f"search.fs_uuid {uuid} root\nset prefix=($root)/boot/grub\n")
    run(
        [
            *("chroot", root, "grub-mkimage", "--format=i386-pc", "--output=/tmp/core.img"),
            *("--config=/tmp/early.cfg", "--prefix=/boot/grub", *_CORE, _DRIVERS[fs]),
        ]
    )
    core.write_bytes((root / _MODULES_DIR / "boot.img").read_bytes() + (root / "tmp/core.img").read_bytes())
    (root / "tmp/early.cfg").unlink()
    (root / "tmp/core.img").unlink()


def sectors(made: bytes, start: int) -> tuple[bytes, bytes]:
    """The boot code of the disk's first sector, and the core as it is written from sector `start` on.

    Args:
        made: what `install` wrote: GRUB's boot sector, and its core behind it.
    """
    boot, core = bytearray(made[:SECTOR_BYTES]), bytearray(made[SECTOR_BYTES:])
    core += bytes(-len(core) % SECTOR_BYTES)
    struct.pack_into("<Q", boot, _KERNEL_SECTOR, start)
    boot[_DRIVE_CHECK : _DRIVE_CHECK + 2] = _NOPS
    rest = len(core) // SECTOR_BYTES - 1
    struct.pack_into("<QHH", core, _BLOCK_LIST, start + 1, rest, _KERNEL_SEGMENT)
    return bytes(boot[:_CODE_BYTES]), bytes(core)


def _kernel(root: Path) -> tuple[str, str]:
    """Kernel and initial RAM disk by the links that the distribution keeps, else the newest by name."""
    if (root / "vmlinuz").is_symlink() and (root / "initrd.img").is_symlink():
        return "/vmlinuz", "/initrd.img"
    boot = root / "boot"
    kernels = sorted(path for path in boot.glob("vmlinuz*") if "rescue" not in path.name)
    rams = sorted(path for pattern in ("initr*", "initramfs*") for path in boot.glob(pattern))
    rams = [path for path in rams if "fallback" not in path.name and "rescue" not in path.name]
    if not kernels or not rams:
        raise HostProblem(
            "no kernel with an initial RAM disk was installed", hint="--kernel names its package"
        )
    return f"/boot/{kernels[-1].name}", f"/boot/{rams[-1].name}"


def _repack(root: Path, kernel: str) -> str:
    """Keep the kernel in gzip if GRUB needs that, this one and all that come; returns where it is then."""
    version = (root / kernel.lstrip("/")).resolve().name.removeprefix("vmlinuz-")
    if (root / "etc/kernel/postinst.d").is_dir():
        put(root, _REPACKER, _REPACK, 0o755)
        put(root, _REMOVER, _REMOVE, 0o755)
        if (root / "etc/grub.d").is_dir():
            put(root, _ENTRIES, _ENTRY, 0o755)
        run(["chroot", root, f"/{_REPACKER}", version])
    return f"boot/xen/vmlinux-{version}.gz"


def _title(root: Path) -> str:
    for line in (root / "etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'").replace('"', "")
    return "Linux"
