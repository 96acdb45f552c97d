"""What boots a guest that brings its own kernel: GRUB inside the guest, or a program in a cell of dom0.

GRUB for Xen ("pvgrub") is loaded as the guest's kernel and reads the guest's file systems inside the guest:
nothing that a guest wrote is looked at here. It is what a PV or PVH guest without a kernel gets.

pygrub reads the guest's disk in dom0. It runs as a user that nobody else is, in namespaces of its own without
a network, with bounds on time, memory and what it writes, and may read one device. What it hands over is a
guest's word: two plain files of bounded sizes in its own folder, and a bounded line of text.

Source: tools/libs/light/libxl_bootloader.c (make_bootloader_args, parse_bootloader_result: "simple0");
unshare(1), setpriv(1), prlimit(1).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from domus.domains.worker import Workers
from domus.model.config import DomainConfig, GuestType
from domus.model.errors import BadInput, Forbidden, HostProblem, ProgramFailed
from domus.programs import Finished, arun_as, run
from domus.storage.blobs import BlobStore

PVGRUB: Final = "pvgrub"
PYGRUB: Final = "pygrub"

#: GRUB for Xen, where distributions have it.
_GRUBS: Final = {
    GuestType.PV: (
        "/usr/lib/grub-xen/grub-x86_64-xen.bin",
        "/usr/lib/xen/boot/pvgrub64.bin",
        "/usr/share/grub2/x86_64-xen/grub.xen",
        "/usr/lib/grub2/x86_64-xen/grub.xen",
        "/usr/lib/grub/x86_64-xen/grub.xen",
    ),
    GuestType.PVH: (
        "/usr/lib/grub-xen/grub-i386-xen_pvh.bin",
        "/usr/share/grub2/i386-xen_pvh/grub.xen",
        "/usr/lib/grub2/i386-xen_pvh/grub.xen",
        "/usr/lib/grub/i386-xen_pvh/grub.xen",
    ),
}

#: where programs of Xen's tools are that have no place in PATH
_PROGRAMS: Final = (
    "/usr/lib/xen/bin",
    "/usr/libexec/xen/bin",
    "/usr/local/lib/xen/bin",
    "/usr/lib64/xen/bin",
)

#: Old values whose programs are gone, and what does the same today.
_GONE: Final = {
    "domUloader": "bootloader = 'pvgrub' needs no list of files; pygrub takes --kernel and --ramdisk",
    "domUloader.py": "bootloader = 'pvgrub' needs no list of files; pygrub takes --kernel and --ramdisk",
    "pypxeboot": "boot an HVM guest from the network (boot = 'n'), or name kernel and ramdisk",
}

# The cell. Uids are systemd's range for users of a moment, that no other account has (systemd.io/UIDS-GIDS).
_UIDS: Final = range(61184, 65520)
_MEMORY_BYTES: Final = 512 << 20
_CPU_SECONDS: Final = 60
_WITHIN: Final = 120.0  # seconds
_FILE_BYTES: Final = 128 << 20
_FILES_BYTES: Final = 256 << 20  # all together; in memory, for a moment
_INODES: Final = 32
_OUTPUT_BYTES: Final = 64 << 10
_LINE_BYTES: Final = 2048  # of a kernel's command line (Linux arch/x86/include/asm/setup.h)

_FOLDER_PREFIX: Final = "xend-boot-"
_FOLDERS: Final = Path("/var/tmp")  # noqa: S108 - a folder of root's, entered by one user
_DEVICES: Final = Path("/dev")


def check(config: DomainConfig) -> DomainConfig:
    """A configuration with what boots it: a kernel of this host, or a program that is still to be asked.

    Raises:
        BadInput: nothing can boot it, or it names what is no longer there.
        HostProblem: this host has no GRUB for Xen.
    """
    if config.guest_type is GuestType.HVM:
        return config
    name = Path(config.bootloader or PVGRUB).name
    if name in _GONE:
        raise BadInput(f"the bootloader {name} is gone", where="bootloader", hint=_GONE[name])
    if name == PVGRUB or _is_pvgrub(config.kernel):
        if config.bootloader is None and config.kernel is not None and not _is_pvgrub(config.kernel):
            return config
        if not any(disk.target is not None for disk in config.disks):
            raise BadInput(f"a {config.guest_type} guest needs a kernel, or a disk to boot from")
        if config.kernel is not None and not _is_pvgrub(config.kernel):
            raise BadInput("pvgrub boots what the guest's grub.cfg says", where="kernel", hint="leave it out")
        # GRUB takes no command line; the guest's kernel has it from grub.cfg.
        bare = replace(config, bootloader=None, bootloader_args=(), ramdisk=None, cmdline="")
        return replace(bare, kernel=grub(config.guest_type))
    if not config.disks or config.disks[0].target is None:
        raise BadInput("a bootloader needs a disk to read", where="bootloader", hint="it reads the first one")
    return config


def grub(guest_type: GuestType) -> str:
    """GRUB for guests of this type.

    Raises:
        HostProblem: this host has none.
    """
    for place in _GRUBS[guest_type]:
        if Path(place).is_file():
            return place
    raise HostProblem(
        f"this host has no GRUB for {guest_type} guests, and the configuration names no kernel",
        hint="Debian's package is grub-xen-host",
    )


def _is_pvgrub(kernel: str | None) -> bool:
    # What the parameter firmware = "pvgrub64" stands for (xl.cfg(5)); the name is of Xen's own build.
    return kernel is not None and Path(kernel).name in ("pvgrub64.bin", "pvgrub32.bin")


# A program in its cell


@dataclass(frozen=True)
class _Cell:
    """Where a bootloader runs."""

    uid: int
    folder: Path  #: it may write here, and nowhere else
    device: Path  #: it may read this, and nothing else of the guest's

    @property
    def answer(self) -> Path:
        """Where it writes what it found."""
        return self.folder / "answer"


async def ask(config: DomainConfig, device: str, store: BlobStore, workers: Workers) -> DomainConfig:
    """Have the bootloader of a configuration take the kernel out of the guest's disk.

    Args:
        device: the block device that the first disk is on.
        store: keeps kernel and ramdisk.

    Returns:
        The configuration with kernel, ramdisk and command line, and without the bootloader.

    Raises:
        BadInput: it found nothing that can be booted, or handed over what it should not.
        ProgramFailed: it took too long.
        Forbidden: it is a program that others than root can change.
    """
    program = await workers.call(_program, config.bootloader or "")
    name = f"{_FOLDER_PREFIX}{secrets.token_hex(6)}"
    cell = _Cell(secrets.choice(_UIDS), _FOLDERS / name, _DEVICES / name)
    try:
        await workers.call(_make, cell, device)
        finished = await _run(cell, program, config)
        return await workers.call(_taken, cell, program, finished, config, store)
    finally:
        await workers.call(_unmake, cell)


def _taken(
    cell: _Cell, program: str, finished: Finished, config: DomainConfig, store: BlobStore
) -> DomainConfig:
    if finished.status != 0:
        said = [line for line in finished.stdout.splitlines() if line.strip()] or ["it says nothing"]
        raise BadInput(f"{program} found nothing to boot: {_plain(said[-1])}", where="bootloader")
    parts = _parsed(_bytes(cell, cell.answer, _OUTPUT_BYTES))
    if "kernel" not in parts:
        raise BadInput(f"{program} found no kernel", where="bootloader")
    line = _plain(parts.get("args", ""))
    if len(line) > _LINE_BYTES:
        raise BadInput(f"{program} made a command line of more than {_LINE_BYTES} bytes", where="bootloader")
    kernel = store.kernel(_kept(cell, parts["kernel"], store))
    ramdisk = str(store.get(_kept(cell, parts["ramdisk"], store))) if "ramdisk" in parts else None
    made = replace(config, kernel=str(kernel), ramdisk=ramdisk, cmdline=line)
    return replace(made, bootloader=None, bootloader_args=())


def clear() -> None:
    """Take away the cells that a killed xend left. At its start; worker threads."""
    names = {left.name for place in (_FOLDERS, _DEVICES) for left in place.glob(f"{_FOLDER_PREFIX}*")}
    for name in names:
        _unmake(_Cell(0, _FOLDERS / name, _DEVICES / name))


def _program(name: str) -> str:
    """The real path of a bootloader that root alone can change."""
    bare = Path(name).name == PYGRUB or "/" not in name
    found = shutil.which(Path(name).name, path=os.pathsep.join(_PROGRAMS)) if bare else shutil.which(name)
    found = found or next((str(each) for each in Path("/usr/lib").glob("xen-*/bin/pygrub") if bare), None)
    if found is None or (bare and Path(found).name != Path(name).name):
        raise BadInput(f"this host has no bootloader {name}", where="bootloader", hint="pvgrub is built in")
    real = Path(os.path.realpath(found))
    facts = real.stat()
    if facts.st_uid != 0 or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Forbidden(f"the bootloader {real} can be written by others than root", where="bootloader")
    return str(real)


def _make(cell: _Cell, device: str) -> None:
    uid, number = cell.uid, Path(device).stat().st_rdev
    cell.folder.mkdir(mode=0o700)
    options = f"size={_FILES_BYTES},nr_inodes={_INODES},mode=0700,uid={uid},gid={uid},nodev,nosuid,noexec"
    run(["mount", "-t", "tmpfs", "-o", options, "xend-boot", cell.folder])
    cell.answer.touch(mode=0o600)  # pygrub opens what is there: libxl gives it a pipe
    os.chown(cell.answer, uid, uid)
    os.mknod(cell.device, stat.S_IFBLK | 0o400, number)
    os.chown(cell.device, uid, uid)


def _unmake(cell: _Cell) -> None:
    """Harmless when it is not there, or only a part of it."""
    cell.device.unlink(missing_ok=True)
    if cell.folder.is_mount():
        run(["umount", "-l", cell.folder], check=False)
    with suppress(OSError):
        cell.folder.rmdir()


async def _run(cell: _Cell, program: str, config: DomainConfig) -> Finished:
    own = str(cell.uid)
    argv = [
        "unshare",
        "--net",
        "--ipc",
        "--uts",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    argv += ["prlimit", f"--as={_MEMORY_BYTES}", f"--cpu={_CPU_SECONDS}", f"--fsize={_FILE_BYTES}"]
    argv += ["--core=0", "--nofile=64", "--nproc=16", "--memlock=0"]
    argv += ["setpriv", f"--reuid={own}", f"--regid={own}", "--clear-groups", "--no-new-privs"]
    argv += ["--inh-caps=-all", "--bounding-set=-all", program]
    for option, value in (("kernel", config.kernel), ("ramdisk", config.ramdisk), ("args", config.cmdline)):
        argv += [f"--{option}={value}"] if value else []
    argv += [f"--output={cell.answer}", "--output-format=simple0"]
    argv += [f"--output-directory={cell.folder}"]
    asked = config.bootloader_args
    # There is nobody at its console.
    argv += [*asked, *(() if {"-q", "--quiet"} & set(asked) else ("-q",)), str(cell.device)]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb", "HOME": "/"}
    try:
        return await arun_as(argv, user=0, group=0, stdin=b"", env=env, within=_WITHIN, limit=_OUTPUT_BYTES)
    except ProgramFailed as error:
        # What failed is the program in the cell: the line that starts the cell is nobody's to run by hand.
        what = error.what.replace(argv[0], f"the bootloader {program}", 1)
        raise ProgramFailed(what, where="bootloader", hint="pvgrub is built in") from error


def _parsed(answer: bytes) -> dict[str, str]:
    """Words of the format simple0: "NAME VALUE", each ended by a zero byte."""
    parts: dict[str, str] = {}
    for piece in answer.split(b"\0"):
        name, _, value = piece.decode("utf-8", "replace").strip("\n").partition(" ")
        if name in ("kernel", "ramdisk", "args") and value:
            parts.setdefault(name, value)
    return parts


def _bytes(cell: _Cell, path: Path, limit: int) -> bytes:
    with _opened(cell, path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(limit)


def _kept(cell: _Cell, path: str, store: BlobStore) -> str:
    """Put a file that it has written into the store; returns its digest."""
    with _opened(cell, Path(path)) as descriptor:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            store.put(digest, iter(lambda: file.read(1 << 20), b""))
    return digest


@contextmanager
def _opened(cell: _Cell, path: Path) -> Iterator[int]:
    """A file right in its folder: no link, no device, no pipe, nothing that is elsewhere."""
    name = path.name
    if path.parent != cell.folder or name in ("", ".", ".."):
        raise BadInput("it names a file that is not in its folder", where="bootloader")
    try:
        descriptor = os.open(
            f"{cell.folder}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except OSError as error:
        raise BadInput(f"its file cannot be read: {error.strerror}", where="bootloader") from None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _FILE_BYTES or facts.st_nlink != 1:
            raise BadInput("it hands over what is no plain file", where="bootloader")
        yield descriptor
    finally:
        os.close(descriptor)


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[: _LINE_BYTES + 1].strip()
