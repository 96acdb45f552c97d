"""Disks in chunks, each known by a digest: what one host has is compared with what another has.

A disk that a guest writes to is read past every cache of dom0 where that can be done: blkback's writes do not
go through them.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
from typing import Final

from domus.model.errors import HostProblem, NoCapacity
from domus.storage import locks

#: bytes of a chunk; the last one of a disk may be shorter
CHUNK: Final = 256 << 10

#: bytes of a digest
DIGEST: Final = 16

#: instead of a digest: nothing but zeros; and: not known
ZEROS: Final = b"\xff" * DIGEST
UNKNOWN: Final = bytes(DIGEST)

_ZEROS: Final = bytes(CHUNK)


def count(size_bytes: int) -> int:
    """The chunks of a disk of this size."""
    return -(-size_bytes // CHUNK)


def digest(data: bytes) -> bytes:
    """What tells the content of a chunk from any other."""
    if data == _ZEROS[: len(data)]:
        return ZEROS
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


class Source:
    """A file or device that is read in chunks, while somebody may write to it. For worker threads.

    Raises:
        HostProblem: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._buffer = mmap.mmap(-1, CHUNK)  # on a page's boundary, as O_DIRECT has it
        try:
            try:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
            except OSError as error:
                if error.errno != errno.EINVAL:  # a filesystem that cannot
                    raise
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self._buffer.close()
            raise HostProblem(f"{path} cannot be read: {error.strerror}") from error

    def size(self) -> int:
        """Bytes of it at this moment: files of QEMU's formats grow."""
        return os.lseek(self._descriptor, 0, os.SEEK_END)

    def read(self, number: int) -> bytes:
        """A chunk, as it is now; shorter at the end.

        Raises:
            HostProblem: it cannot be read.
        """
        try:
            with memoryview(self._buffer) as view:
                return bytes(view[: os.preadv(self._descriptor, [view], number * CHUNK)])
        except OSError as error:
            raise HostProblem(f"{self.path} cannot be read: {error.strerror}") from error

    def is_hole(self, number: int) -> bool:
        """Nothing was ever written into this chunk of a file; it is zeros."""
        try:
            return os.lseek(self._descriptor, number * CHUNK, os.SEEK_DATA) >= (number + 1) * CHUNK
        except OSError as error:
            return error.errno == errno.ENXIO  # nothing but a hole follows

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if not self._buffer.closed:
            self._buffer.close()
            os.close(self._descriptor)


class Destination:
    """A file or device that is written to in pieces. For worker threads.

    Args:
        size_bytes: nothing is written behind this; None: a file that grows.

    Raises:
        HostProblem: it cannot be opened.
        InUse: a program or another host has the file locked; it may even be the very file that is read.
    """

    def __init__(self, path: str, size_bytes: int | None) -> None:
        self.path = path
        self._size = size_bytes
        try:
            self._descriptor = os.open(os.path.realpath(path), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise HostProblem(f"{path} cannot be written: {error.strerror}") from error
        try:
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                locks.take(self._descriptor, path, writable=True, shared=False)
        except BaseException:
            os.close(self._descriptor)
            raise

    def write(self, offset: int, data: bytes) -> None:
        """Put data there.

        Raises:
            NoCapacity, HostProblem: its disk is full, or broken.
        """
        if self._size is not None and offset + len(data) > self._size:
            raise HostProblem(f"{self.path} is written to behind its end")
        rest = memoryview(data)
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, offset)
                rest, offset = rest[written:], offset + written
        except OSError as error:
            raise self._failure(error) from error

    def cut(self, size_bytes: int) -> None:
        """Let a file that grows end there; raises as `write`."""
        if self._size is None:
            try:
                os.ftruncate(self._descriptor, size_bytes)
            except OSError as error:
                raise self._failure(error) from error

    def close(self, *, whole: bool) -> None:
        """Let go of it; `whole`: on return it is on disk. Raises as `write`."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            if whole:
                os.fsync(descriptor)
        except OSError as error:
            raise self._failure(error) from error
        finally:
            os.close(descriptor)

    def _failure(self, error: OSError) -> HostProblem | NoCapacity:
        kind = NoCapacity if error.errno in (errno.ENOSPC, errno.EDQUOT) else HostProblem
        return kind(f"{self.path} cannot be written: {error.strerror}")
