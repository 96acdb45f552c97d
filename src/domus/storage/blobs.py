"""Kernels and ramdisks that clients hand over, named by their SHA-256 and kept within a bound.

A store is a directory. `HEX` is a blob, `HEX.elf` the kernel unpacked from it, `at-HEX.elf` the kernel
unpacked from a file of the host (HEX: of the file's identity, so a changed file is unpacked anew). A file
under its final name is always whole: it was written under another name, synced, then renamed.
Where it runs: worker threads (files of some 50 MiB are read, hashed and written).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, cast

from domus.model.errors import BadInput, Conflict, DomusError, NoCapacity, NotFound
from domus.storage import kernels

log = logging.getLogger(__name__)

#: How a configuration names a blob, in its `kernel` or `ramdisk`.
PREFIX: Final = "sha256:"

DEFAULT_LIMIT_BYTES: Final = 2 << 30

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_OURS: Final = re.compile(r"(?:at-)?([0-9a-f]{64})(?:\.elf)?")
_INCOMING: Final = ".incoming-"


class BlobStore:
    """The blobs of one host, in `directory`; safe to use from several threads of one process.

    Args:
        directory: made when absent; nobody else writes there.
        limit_bytes: what all blobs and unpacked copies may have together. The least recently used go first.
        pinned: tells which blobs (hexadecimal digits) must stay, since domains are started from them again.
    """

    def __init__(
        self,
        directory: Path,
        *,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        pinned: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self.directory = directory
        self.limit_bytes = limit_bytes
        self.pinned = pinned
        self._lock = threading.RLock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in directory.glob(f"{_INCOMING}*"):
            leftover.unlink(missing_ok=True)

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self.find(digest) is not None

    def find(self, digest: str) -> Path | None:
        """The blob's file, None when it is not here. Counts as a use of it.

        Raises:
            BadInput: `digest` is not 64 hexadecimal digits in lower case.
        """
        return _touched(self.directory / check_digest(digest))

    def get(self, digest: str) -> Path:
        """The blob's file.

        Raises:
            NotFound: it is not here.
            BadInput: see `find`.
        """
        path = self.find(digest)
        if path is None:
            raise NotFound(f"this host has no blob {digest}", hint="hand it over with PUT /v1/blobs/HEX")
        return path

    def incoming(self, digest: str) -> Incoming:
        """Begin to receive a blob; a context manager, see `Incoming`."""
        return Incoming(self, check_digest(digest))

    def put(self, digest: str, chunks: Iterable[bytes]) -> Path:
        """Take a blob in, whole or not at all; as `Incoming`."""
        with self.incoming(digest) as incoming:
            for chunk in chunks:
                incoming.write(chunk)
            return incoming.commit()

    def kernel(self, digest: str) -> Path:
        """The ELF kernel unpacked from a blob; unpacked at the first call, kept beside it.

        Raises:
            NotFound: the blob is not here.
            kernels.NotAKernel: it is no kernel.
        """
        return self._unpacked(self.get(digest), f"{digest}.elf")

    def kernel_at(self, path: Path) -> Path:
        """The ELF kernel unpacked from a file of this host, or the file itself when it is ELF already.

        Raises:
            NotFound: no such file.
            kernels.NotAKernel: it is no kernel.
        """
        try:
            with path.open("rb") as file:
                if file.read(len(kernels.ELF_MAGIC)) == kernels.ELF_MAGIC:
                    return path
                facts = os.fstat(file.fileno())
        except OSError as error:
            raise NotFound(f"Kernel image does not exist: {path}", hint=str(error.strerror)) from None
        # ctime too: nobody can set it back after a change, unlike mtime.
        identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        return self._unpacked(path, f"at-{hashlib.sha256(repr(identity).encode()).hexdigest()}.elf")

    def size_bytes(self) -> int:
        """What everything in the store has together."""
        return sum(size for _, size, _ in self._files())

    def _unpacked(self, source: Path, name: str) -> Path:
        with self._lock:
            if kept := _touched(self.directory / name):
                return kept
            temporary, file = self.temporary()
            try:
                with file:
                    kernels.unpack_to(source, file)
                    _sync(file)
                path = self.keep(temporary, name)
            except OSError as error:
                raise _no_space(error) from error
            finally:
                temporary.unlink(missing_ok=True)
            log.info("unpacked %s: %d bytes", source, path.stat().st_size)
            return path

    def temporary(self) -> tuple[Path, BinaryIO]:
        """A new file that is removed at the next start, unless it was kept."""
        descriptor, name = tempfile.mkstemp(prefix=_INCOMING, dir=self.directory)
        return Path(name), cast("BinaryIO", os.fdopen(descriptor, "wb"))

    def keep(self, temporary: Path, name: str) -> Path:
        """Give a synced temporary file its final name, after making room for it."""
        path = self.directory / name
        with self._lock:
            self._make_room(temporary.stat().st_size)
            temporary.replace(path)
            _sync_directory(self.directory)
        return path

    def _make_room(self, size: int) -> None:
        pinned = set(self.pinned())
        files = self._files()
        excess = sum(each for _, each, _ in files) + size - self.limit_bytes
        for _, each, path in sorted(files):
            if excess <= 0:
                return
            match = _OURS.fullmatch(path.name)
            if match and match[1] not in pinned:
                log.info("removing %s, unused for the longest time", path.name)
                path.unlink(missing_ok=True)
                excess -= each
        if excess > 0:
            raise NoCapacity(
                f"no room for {size >> 20} MiB more in {self.directory}: "
                f"blobs may have {self.limit_bytes >> 20} MiB together"
            )

    def _files(self) -> list[tuple[float, int, Path]]:
        """Last use, size and path of each blob and unpacked copy."""
        found = []
        for path in self.directory.iterdir():
            if _OURS.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):
                    facts = path.stat()
                    found.append((facts.st_mtime, facts.st_size, path))
        return found


class Incoming:
    """A blob that is being received; without `commit` nothing of it stays.

    with store.incoming(digest) as incoming:
        incoming.write(chunk)
        incoming.commit()
    """

    def __init__(self, store: BlobStore, digest: str) -> None:
        self._store = store
        self._digest = digest
        self._sum = hashlib.sha256()
        self._size = 0
        self._path, self._file = store.temporary()

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            NoCapacity: the blob is larger than the store may be, or the disk is full.
        """
        self._size += len(chunk)
        if self._size > self._store.limit_bytes:
            raise NoCapacity(
                f"blobs may have {self._store.limit_bytes >> 20} MiB together, this one has more"
            )
        self._sum.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _no_space(error) from error

    def commit(self) -> Path:
        """Keep it under its name, once the name is proved right.

        Returns:
            Its file, on disk for good.

        Raises:
            Conflict: the bytes have another SHA-256.
            NoCapacity: no room for it.
        """
        if self._sum.hexdigest() != self._digest:
            raise Conflict(
                f"the bytes received are not blob {self._digest}: their SHA-256 is {self._sum.hexdigest()}",
                hint="send them again",
            )
        try:
            _sync(self._file)
            self._file.close()
            return self._store.keep(self._path, self._digest)
        except OSError as error:
            raise _no_space(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


def check_digest(digest: str) -> str:
    """`digest`, if it can name a blob; it becomes a file name, so nothing else may pass.

    Raises:
        BadInput: it is not 64 hexadecimal digits in lower case.
    """
    if not _HEX.fullmatch(digest):
        raise BadInput(f"invalid blob name {digest[:80]!r}", hint="64 hexadecimal digits in lower case")
    return digest


def _touched(path: Path) -> Path | None:
    try:
        os.utime(path)
    except FileNotFoundError:
        return None
    return path


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_space(error: OSError) -> DomusError:
    return NoCapacity(f"cannot keep a blob: {error.strerror}")
