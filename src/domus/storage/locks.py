"""Locks on image files, in QEMU's own way: whoever keeps to it, on this host or another, sees who writes.

A lock belongs to an open file description (OFD). The kernel's loop device keeps the one that it was given,
so the lock lasts exactly as long as the device has the file, whatever becomes of xend; and a file system that
is shared by hosts (NFS 4, OCFS2, GFS2) carries it to the others. qemu-img and every other QEMU refuse a file
that is locked against them.

Source: fcntl(2), "Open file description locks"; QEMU block/file-posix.c (RAW_LOCK_PERM_BASE,
RAW_LOCK_SHARED_BASE, raw_handle_perm_lock), include/block/block-common.h (BLK_PERM_*).
"""

from __future__ import annotations

import errno
import fcntl
import logging
import struct
from collections.abc import Iterable
from typing import Final

from domus.model.errors import InUse

log = logging.getLogger(__name__)

# Bits of what one does, and of what one does not let others do: read, write, resize.
_READ: Final = 0
_WRITE: Final = 1
_RESIZE: Final = 3

_DONE_BASE: Final = 100  # a read lock on byte 100 + bit: one does this
_DENIED_BASE: Final = 200  # a read lock on byte 200 + bit: others must not do this

_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid

#: What a file system says that has no locks.
_WITHOUT: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


def take(descriptor: int, path: str, *, writable: bool, shared: bool) -> None:
    """Lock an open file for as long as this opening of it lasts.

    Args:
        writable: it will be written to.
        shared: others may write, too ("w!"): then nobody is refused, and who is there already is not asked.

    Raises:
        InUse: somebody holds it in a way that does not go with this.
    """
    does = {_READ, _WRITE} if writable else {_READ}
    denies = set() if shared else {_WRITE, _RESIZE}
    try:
        # First taken, then looked: of two who come at once at least one sees the other.
        for byte in _bytes(does, denies):
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _lock(fcntl.F_RDLCK, byte))
        if shared or not any(_is_held(descriptor, byte) for byte in _bytes(denies, does)):
            return
    except OSError as error:
        if error.errno in _WITHOUT:
            log.info("%s: its file system has no locks (%s)", path, error.strerror)
            return
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
    raise InUse(
        f"{path} is locked by a program or host that {'uses' if writable else 'writes'} it",
        hint="`lslocks` shows who on this host; mode w! lets several write to it",
    )


def _bytes(does: Iterable[int], denies: Iterable[int]) -> list[int]:
    return [_DONE_BASE + bit for bit in does] + [_DENIED_BASE + bit for bit in denies]


def _is_held(descriptor: int, byte: int) -> bool:
    """Somebody else has a lock on this byte."""
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _lock(fcntl.F_WRLCK, byte))
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def _lock(kind: int, byte: int) -> bytes:
    return _FLOCK.pack(kind, 0, byte, 1, 0)
