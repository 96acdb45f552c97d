"""Loop devices, through the kernel's own interface: no losetup, no shell.

Every device is attached with autoclear while we hold it open: the kernel takes it away when its last
user closes it. So a device lives exactly as long as we or a block backend hold it, whoever destroys
the domain, and a xend killed at any instruction leaves none behind::

    with loop.attach("/srv/guest.img", read_only=False) as device:
        ...  # blkback opens device.path meanwhile, and keeps it after we let go

Source: linux/loop.h; drivers/block/loop.c (lo_release, LO_FLAGS_AUTOCLEAR).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from domus.model.errors import HostProblem
from domus.storage import locks

log = logging.getLogger(__name__)

CONTROL: Final = Path("/dev/loop-control")
SYS_BLOCK: Final = Path("/sys/block")

# linux/loop.h
LO_NAME_SIZE: Final = 64
LO_FLAGS_READ_ONLY: Final = 1
LO_FLAGS_AUTOCLEAR: Final = 4
LO_FLAGS_DIRECT_IO: Final = 16
LOOP_CLR_FD: Final = 0x4C01
LOOP_GET_STATUS64: Final = 0x4C05
LOOP_CONFIGURE: Final = 0x4C0A
LOOP_CTL_GET_FREE: Final = 0x4C82

# struct loop_info64: device inode rdevice offset sizelimit, number encrypt_type key_size flags,
# file_name crypt_name key, init[2]
_INFO: Final = struct.Struct(f"=5Q4I{LO_NAME_SIZE}s{LO_NAME_SIZE}s32s2Q")
# struct loop_config: fd, block_size; the info follows, then 64 reserved bytes
_CONFIG_HEAD: Final = struct.Struct("=2I")
_CONFIG_RESERVED: Final = bytes(64)

#: Somebody else may take the free device that the kernel has just named; then the next one is asked for.
_ATTEMPTS: Final = 64


@dataclass(frozen=True)
class LoopStatus:
    """What a loop device is attached to (LOOP_GET_STATUS64)."""

    path: str  #: the device, "/dev/loop3"
    file_device: int  #: st_dev of its file
    file_inode: int  #: st_ino of its file
    read_only: bool
    autoclear: bool
    direct_io: bool


class LoopDevice:
    """An attached loop device that we hold open; a context manager that lets go of it at the end."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path  #: "/dev/loop3"
        self._descriptor: int | None = descriptor

    def __repr__(self) -> str:
        return f"<LoopDevice {self.path} {'released' if self._descriptor is None else 'held'}>"

    def release(self) -> None:
        """Let go: the kernel detaches it once nobody has it open. May be called twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def attach(path: str | Path, *, read_only: bool, shared: bool = False, direct_io: bool = True) -> LoopDevice:
    """Attach a regular file to a free loop device, and lock it for as long as the device has it.

    Args:
        path: the file.
        read_only: nothing can be written through the device.
        shared: others may write it, too: see `domus.storage.locks`.
        direct_io: bypass dom0's page cache, where the file's filesystem can; else it is used silently.

    Returns:
        The device, held open by us. It goes when we release it and no one else has it open.

    Raises:
        HostProblem: the file cannot be opened, or the kernel has no (free) loop device.
        InUse: a program or another host has locked it.

    Where it runs:
        Blocks for some milliseconds: worker threads.
    """
    access = os.O_RDONLY if read_only else os.O_RDWR
    try:
        backing = os.open(path, access | os.O_CLOEXEC)
    except OSError as error:
        raise HostProblem(f"cannot open {path}: {error.strerror}") from error
    try:
        locks.take(backing, str(path), writable=not read_only, shared=shared)
        # The device keeps this very opening of the file (loop_configure), and with it the lock.
        return _attach_open_file(backing, str(path), read_only=read_only, direct_io=direct_io)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        os.close(backing)


def _attach_open_file(backing: int, name: str, *, read_only: bool, direct_io: bool) -> LoopDevice:
    flags = LO_FLAGS_AUTOCLEAR | (LO_FLAGS_READ_ONLY if read_only else 0)
    if direct_io and not _does_direct_io(backing):
        log.info("%s: its filesystem cannot do direct I/O, using the page cache", name)
        direct_io = False
    wanted = flags | (LO_FLAGS_DIRECT_IO if direct_io else 0)
    with _opened(CONTROL, os.O_RDWR) as control:
        for _ in range(_ATTEMPTS):
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            path = f"/dev/loop{number}"
            descriptor = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
            try:
                _configure(descriptor, backing, name, wanted)
            except OSError as error:
                os.close(descriptor)
                if error.errno == errno.EINVAL and wanted & LO_FLAGS_DIRECT_IO:
                    log.info("%s: its filesystem cannot do direct I/O, using the page cache", name)
                    wanted = flags
                elif error.errno != errno.EBUSY:
                    raise
                continue
            log.debug("%s attached to %s", path, name)
            return LoopDevice(path, descriptor)
    raise OSError(errno.EBUSY, "every free loop device was taken by somebody else")


def _does_direct_io(backing: int) -> bool:
    """Whether the file can be read past the page cache: tried, because not every filesystem tells the truth.

    Before Linux 6.6 an overlay over a tmpfs lets such a file be opened, and fails every request after that;
    the loop driver believes it, and the guest sees a disk that is broken (measured with 6.1; ovl_read_iter in
    fs/overlayfs/file.c).
    """
    try:
        with (
            _opened(Path(f"/proc/self/fd/{backing}"), os.O_RDONLY | os.O_DIRECT) as descriptor,
            mmap.mmap(-1, mmap.PAGESIZE) as page,  # direct I/O wants aligned memory
        ):
            os.preadv(descriptor, [page], 0)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def _configure(descriptor: int, backing: int, name: str, flags: int) -> None:
    shown = os.fsencode(name)[: LO_NAME_SIZE - 1]
    info = _INFO.pack(0, 0, 0, 0, 0, 0, 0, 0, flags, shown, b"", b"", 0, 0)
    fcntl.ioctl(descriptor, LOOP_CONFIGURE, _CONFIG_HEAD.pack(backing, 0) + info + _CONFIG_RESERVED)


def detach(path: str) -> None:
    """Take the file away from a loop device; harmless when it has none.

    Effect:
        A device that is still open somewhere is detached when it is closed there.
    """
    with contextlib.suppress(FileNotFoundError), _opened(Path(path), os.O_RDONLY) as descriptor:
        try:
            fcntl.ioctl(descriptor, LOOP_CLR_FD)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise HostProblem(f"cannot detach {path}: {error.strerror}") from error


def status(path: str) -> LoopStatus | None:
    """What the loop device is attached to; None: nothing, or there is no such device."""
    try:
        with _opened(Path(path), os.O_RDONLY) as descriptor:
            reply = fcntl.ioctl(descriptor, LOOP_GET_STATUS64, bytes(_INFO.size))
    except OSError:
        return None
    fields = _INFO.unpack(reply)
    flags = fields[8]
    return LoopStatus(
        path=path,
        file_device=fields[0],
        file_inode=fields[1],
        read_only=bool(flags & LO_FLAGS_READ_ONLY),
        autoclear=bool(flags & LO_FLAGS_AUTOCLEAR),
        direct_io=bool(flags & LO_FLAGS_DIRECT_IO),
    )


def backing_file(path: str) -> str | None:
    """The file that a loop device shows, as the kernel names it now; None: not attached."""
    try:
        text = (SYS_BLOCK / Path(path).name / "loop/backing_file").read_text(errors="surrogateescape")
    except OSError:
        return None
    return text.removesuffix("\n") or None


def clears_itself(path: str) -> bool:
    """The kernel takes the loop device away when its last user closes it, as it does with ours."""
    try:
        return (SYS_BLOCK / Path(path).name / "loop/autoclear").read_text().strip() == "1"
    except OSError:
        return False


def attached() -> dict[str, str]:
    """Every attached loop device of the host, and the file behind it."""
    devices = (f"/dev/{entry.parent.parent.name}" for entry in SYS_BLOCK.glob("loop*/loop/backing_file"))
    return {device: file for device in devices if (file := backing_file(device)) is not None}


def find(path: str | Path) -> list[str]:
    """The loop devices that have this file, by the file's real path."""
    real = os.path.realpath(path)
    return sorted(device for device, file in attached().items() if file == real)


@contextlib.contextmanager
def _opened(path: Path, access: int) -> Iterator[int]:
    descriptor = os.open(path, access | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _explained(error: OSError, path: str | Path) -> HostProblem:
    if error.filename == str(CONTROL):
        return HostProblem(f"this host has no loop devices ({error.strerror})", hint="modprobe loop")
    return HostProblem(f"cannot attach {path} to a loop device: {error.strerror}")
