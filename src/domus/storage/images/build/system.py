"""The files that make installed packages a guest: mounts, network, console, SSH, users.

Whatever must differ between two guests of one image (the machine's id, SSH host keys, random seed) is not in
it: each guest makes its own at its first boot.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

from domus.model.errors import BadInput
from domus.programs import run
from domus.storage.images.build.template import Wanted

#: Lines of grub.cfg: every console that a guest of this type may have. The last is /dev/console. Only HVM
#: guests have an emulated screen and serial line: systemd waits 90 s for one that is not there.
CONSOLES: Final = """\
set consoles="console=tty0 console=ttyS0,115200n8 console=hvc0"
if [ x$grub_platform = xxen -o x$grub_platform = xxen_pvh ]; then set consoles="console=hvc0"; fi
export consoles
"""
_CONSOLES_SCRIPT: Final = f"""\
#!/bin/sh
# For GRUB_CMDLINE_LINUX in /etc/default/grub.
cat <<'END'
{CONSOLES}END
"""

_NETWORK: Final = """\
[Match]
Type=ether

[Network]
DHCP=yes
IPv6AcceptRA=yes

# /etc/hostname goes before a lease's name: systemd-hostnamed would be started in vain.
[DHCPv4]
ClientIdentifier=mac
UseHostname=no

[DHCPv6]
UseHostname=no
"""

#: SSH over vsock, which Xen has not: it says that it failed at each boot, on the console.
_SSH_GENERATOR: Final = "systemd/system-generators/systemd-ssh-generator"

_HOST_KEYS: Final = """\
[Unit]
Description=Make this machine's own SSH host keys
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
Before=ssh.service sshd.service ssh.socket
After=systemd-random-seed.service local-fs.target

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
ExecStart=/usr/bin/ssh-keygen -q -t ecdsa -N "" -f /etc/ssh/ssh_host_ecdsa_key

[Install]
WantedBy=multi-user.target
"""

_GRUB: Final = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`sed -n 's/^NAME=//p' /etc/os-release | tr -d '"'`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
# by /etc/grub.d/01_consoles
GRUB_CMDLINE_LINUX='$consoles'
GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
"""

_MOUNT_OPTIONS: Final = {
    "ext4": "defaults,errors=remount-ro,x-systemd.growfs",
    "xfs": "defaults,x-systemd.growfs",
    "btrfs": "defaults,x-systemd.growfs",
}

#: front ends that must be there before the root is, whatever kernel it is
_EARLY_MODULES: Final = "xen-blkfront\nxen-netfront\n"

#: The initial RAM disk has the disks of virtual machines and no more: GRUB for PV and PVH guests asks for it
#: in pieces of 4 KiB, one after the other, and initramfs-tools' own choice is 17 MB of InfiniBand, Ceph and
#: NFS (of Debian 13's cloud kernel; with this it is 8 MB).
_RAM_DISK: Final = """\
# Modules for the disks of virtual machines only: /etc/initramfs-tools/hooks/virtual-disks.
# MODULES=most is everything.
MODULES=list
"""
_RAM_DISK_HOOK: Final = """\
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
[ "$MODULES" = list ] || exit 0
manual_add_modules {fs}
manual_add_modules xen-blkfront xen-scsifront virtio_blk virtio_scsi virtio_pci virtio_mmio nvme
manual_add_modules sd_mod sr_mod ata_piix ata_generic ahci hv_storvsc vmw_pvscsi mptspi
# names of vendors and keyboards, for people to read: 13 MB
rm -f "$DESTDIR/usr/lib/udev/hwdb.bin" "$DESTDIR/lib/udev/hwdb.bin"
"""

#: what a package's installation leaves that no two machines may share
_SECRETS: Final = (
    "etc/ssh/ssh_host_*",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/dbus/machine-id",
    "var/lib/dhcp/*",
)
#: what is not worth its place
_LITTER: Final = ("var/cache/apt/archives/*.deb", "var/cache/debconf/*-old", "var/lib/dpkg/*-old", "etc/*-",
                  "var/log/*.log", "var/log/apt/*", "root/.bash_history", "tmp/*", "run/*")  # fmt: skip


def before_packages(folder: Path, fs: str) -> None:
    """Files that packages look at while they are installed, for a root with this file system."""
    # None of them is a file of the package: dpkg would ask.
    put(folder, "usr/share/initramfs-tools/modules.d/xen", _EARLY_MODULES)
    put(folder, "etc/initramfs-tools/conf.d/virtual-disks", _RAM_DISK)
    put(folder, "etc/initramfs-tools/hooks/virtual-disks", _RAM_DISK_HOOK.format(fs=fs), 0o755)


def configure(root: Path, wanted: Wanted, root_uuid: str, swap_uuid: str) -> None:
    """Write everything into `root`, as root of the namespaces that we run in.

    Raises:
        ProgramFailed: a program of the root itself failed.
    """
    _remove(root, (*_SECRETS, *_LITTER))
    put(root, "etc/machine-id", "")
    put(root, "etc/hostname", f"{wanted.hostname}\n")
    short = wanted.hostname.split(".")[0]
    own = wanted.hostname if short == wanted.hostname else f"{wanted.hostname} {short}"
    put(
        root, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {own}\n::1 localhost ip6-localhost ip6-loopback\n"
    )
    put(root, "etc/fstab", _fstab(wanted, root_uuid, swap_uuid))
    put(root, "etc/default/grub", _GRUB)
    put(root, "etc/grub.d/01_consoles", _CONSOLES_SCRIPT, 0o755)
    if (root / "usr/lib/systemd/systemd-networkd").exists():
        put(root, "etc/systemd/network/80-dhcp.network", _NETWORK)
        _in(root, "systemctl", "enable", "systemd-networkd.service")
        if (root / "usr/lib/systemd/systemd-resolved").exists():
            _in(root, "systemctl", "enable", "systemd-resolved.service")
            resolv = root / "etc/resolv.conf"
            resolv.unlink(missing_ok=True)
            resolv.symlink_to("../run/systemd/resolve/stub-resolv.conf")
    if (root / "usr/lib" / _SSH_GENERATOR).exists():
        _make_folder(root, (root / "etc" / _SSH_GENERATOR).parent)
        (root / "etc" / _SSH_GENERATOR).symlink_to("/dev/null")
    _let_in(root, wanted)
    if wanted.user_data:
        seed = "var/lib/cloud/seed/nocloud"
        put(root, f"{seed}/user-data", wanted.user_data, 0o600)
        put(root, f"{seed}/meta-data", f"instance-id: {wanted.name}\nlocal-hostname: {wanted.hostname}\n")
        put(root, "etc/cloud/cloud.cfg.d/90-datasource.cfg", "datasource_list: [ NoCloud, None ]\n")
    built = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    put(
        root,
        "etc/image-release",
        f"IMAGE_NAME={wanted.name}\nIMAGE_BUILT={built}\n"
        f"IMAGE_DISTRIBUTION={wanted.distribution}\nIMAGE_SUITE={wanted.template.suite}\n",
    )
    if wanted.template.release_files:
        lay_over(root, Path(wanted.template.release_files))


def put(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the root. A link in its way is replaced, never followed."""
    file = root / path
    _make_folder(root, file.parent)
    if file.is_symlink():
        file.unlink()
    file.write_text(text)
    file.chmod(mode)


def lay_over(root: Path, folder: Path) -> None:
    """Copy the files of `folder` over the root: they belong to root there, and keep their modes.

    Raises:
        BadInput: there is something else than files, folders and links; or a folder where the root has none.
    """
    for here, folders, files in os.walk(folder):
        there = root / Path(here).relative_to(folder)
        for name in (*folders, *files):
            source, target = Path(here, name), there / name
            if source.is_symlink():
                if target.is_symlink() or target.exists():
                    target.unlink()
                target.symlink_to(source.readlink())
            elif source.is_dir():
                _make_folder(root, target)
                target.chmod(source.stat().st_mode & 0o7777)
            elif source.is_file():
                if target.is_symlink():
                    target.unlink()
                shutil.copyfile(source, target)
                target.chmod(source.stat().st_mode & 0o7777)
                os.chown(target, 0, 0)
            else:
                raise BadInput(f"{source} is no file, folder or link")


def _make_folder(root: Path, folder: Path) -> None:
    # /lib is a link to usr/lib in today's systems: within the root that is followed, out of it nothing is.
    real = folder.resolve()
    if not real.is_relative_to(root.resolve()):
        raise BadInput(
            f"/{folder.relative_to(root)} leads out of the image", hint="a link of the root, or a file"
        )
    real.mkdir(parents=True, exist_ok=True)


def _fstab(wanted: Wanted, root_uuid: str, swap_uuid: str) -> str:
    kind = wanted.template.fs
    lines = [f"UUID={root_uuid} / {kind} {_MOUNT_OPTIONS[kind]} 0 {1 if kind == 'ext4' else 0}"]
    if swap_uuid:
        lines.append(f"UUID={swap_uuid} none swap sw 0 0")
    return "\n".join(lines) + "\n"


def _let_in(root: Path, wanted: Wanted) -> None:
    user = wanted.template.user
    if user:
        shell = "/bin/bash" if (root / "bin/bash").exists() else "/bin/sh"
        _in(root, "useradd", "--create-home", "--user-group", "--shell", shell, user)
        if (root / "etc/sudoers.d").is_dir():
            put(root, "etc/sudoers.d/90-image-user", f"{user} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    if wanted.password:
        _in(root, "chpasswd", stdin=f"{user or 'root'}:{wanted.password}\n")
    if wanted.keys:
        home = f"home/{user}" if user else "root"
        put(root, f"{home}/.ssh/authorized_keys", "\n".join(wanted.keys) + "\n", 0o600)
        (root / home / ".ssh").chmod(0o700)
        if user:
            _in(root, "chown", "-R", f"{user}:{user}", f"/{home}/.ssh")
    if (root / "usr/sbin/sshd").exists():
        put(root, "etc/systemd/system/ssh-host-keys.service", _HOST_KEYS)
        _in(root, "systemctl", "enable", "ssh-host-keys.service")


def _in(root: Path, *argv: str, stdin: str | None = None) -> None:
    run(["chroot", root, *argv], stdin=stdin, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})


def _remove(root: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
