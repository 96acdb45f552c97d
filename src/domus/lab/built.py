"""Things that are built once and then only read: complete or absent, never half-made.

A build happens in a folder of its own beside the result and is renamed into place as its last step.
A lock file per result makes a second builder wait for the first and then use what that one made. What
an interrupted build left is recognized by its lock being free, and removed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from domus.model.errors import NoCapacity

_STARTED = ".part"


@contextmanager
def locked(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` while the block lasts; `on_wait` is called once if another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_once(
    result: Path,
    build: Callable[[Path], None],
    *,
    space_mib: int,
    on_wait: Callable[[], None] | None = None,
) -> Path:
    """`result`, built by `build(folder)` if it is not there yet.

    Args:
        result: a folder; it exists only when the build was complete.
        build: fills the folder it is given.
        space_mib: MiB of free disk the build needs.
        on_wait: called when another process is building the same result at this moment.

    Raises:
        NoCapacity: the disk has less than `space_mib` free.
    """
    if result.is_dir():
        return result
    with locked(result.with_name(f".{result.name}.lock"), on_wait=on_wait):
        if result.is_dir():
            return result
        part = result.with_name(f".{result.name}{_STARTED}")
        shutil.rmtree(part, ignore_errors=True)
        need_space(result.parent, space_mib)
        part.mkdir(parents=True)
        try:
            build(part)
            _sync(part)
            part.rename(result)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return result


def need_space(folder: Path, mib: int) -> None:
    """Raise NoCapacity unless the file system of `folder` has `mib` MiB free."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free // 2**20
    if free < mib:
        raise NoCapacity(
            f"{folder}: {free} MiB free, {mib} MiB needed",
            hint="free some space, or set DOMUS_CACHE to a folder elsewhere",
        )


def remove(result: Path) -> None:
    """Remove a built folder, in a way that nobody sees it half-gone."""
    with locked(result.with_name(f".{result.name}.lock")):
        gone = result.with_name(f".{result.name}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        if result.is_dir():
            result.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Data before name: a crash must not leave a complete-looking folder of empty files."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
