"""Locks against a second xend, and the proof that a socket's former owner is gone."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from domus.model.errors import Conflict, HostProblem


class Lock:
    """A pid file that is locked: held until `release` or the end of the process, however it ends.

    Raises:
        Conflict: another process holds it; says which.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise HostProblem(f"cannot open {path}: {error.strerror}", hint="xend runs as root") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise Conflict(
                f"another xend is running (process {holder or 'unknown'})", where=str(path)
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have it. The file stays, empty: removing it would let two hold a lock of that name."""
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def remove_stale_socket(path: Path) -> None:
    """Remove what a xend that was killed has left at `path`.

    Raises:
        Conflict: somebody answers there, or it is no socket.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise Conflict(f"{path} is there and is no socket", hint="remove it, or choose another --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()  # bound once, and nobody listens: the proof
            return
        except OSError as error:
            raise Conflict(f"{path} may still be served: {error.strerror or error}") from error
    raise Conflict("another xend answers on this socket", where=str(path))
