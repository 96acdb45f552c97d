"""Locks on image files go with QEMU's: who writes a file is alone with it, whatever program it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from domus.model.errors import InUse
from domus.storage import locks, loop


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1 << 20))
    return path


def opened(path: Path, *, writable: bool, shared: bool = False) -> int:
    descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
    try:
        locks.take(descriptor, str(path), writable=writable, shared=shared)
    except InUse:
        os.close(descriptor)
        raise
    return descriptor


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_who_writes_a_file_is_alone_with_it(image: Path, first: bool, second: bool) -> None:
    one = opened(image, writable=first)
    with pytest.raises(InUse, match=f"{image} is locked by a program or host"):
        opened(image, writable=second)
    os.close(one)


def test_many_may_read_it(image: Path) -> None:
    for descriptor in [opened(image, writable=False) for _ in range(3)]:
        os.close(descriptor)


def test_a_lock_goes_with_the_opening_of_the_file(image: Path) -> None:
    os.close(opened(image, writable=True))
    os.close(opened(image, writable=True))


def test_who_shares_refuses_nobody_and_is_not_refused(image: Path) -> None:
    one = opened(image, writable=True)
    os.close(opened(image, writable=True, shared=True))
    os.close(one)
    shared = [opened(image, writable=True, shared=True) for _ in range(2)]
    for descriptor in shared:
        os.close(descriptor)


@pytest.mark.skipif(shutil.which("qemu-io") is None, reason="needs qemu-io")
def test_qemu_does_not_open_what_we_hold_nor_we_what_it_holds(image: Path) -> None:
    ours = opened(image, writable=True)
    done = subprocess.run(
        ["qemu-io", "-f", "raw", "-c", "write 0 512", image], capture_output=True, text=True, check=False
    )
    assert "lock" in done.stderr
    os.close(ours)
    theirs = subprocess.Popen(
        ["qemu-io", "-f", "raw", image], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert theirs.stdin is not None
    assert theirs.stdout is not None
    theirs.stdin.write("length\n")
    theirs.stdin.flush()
    theirs.stdout.readline()
    with pytest.raises(InUse):
        opened(image, writable=True)
    theirs.communicate("quit\n")
    os.close(opened(image, writable=True))


@pytest.mark.skipif(os.geteuid() != 0 or not loop.CONTROL.exists(), reason="needs root and /dev/loop-control")
def test_a_loop_device_keeps_the_lock_until_it_goes(image: Path) -> None:
    with loop.attach(image, read_only=False) as device, Path(device.path).open("rb"):
        device.release()  # as when xend is gone, and blkback has it open
        with pytest.raises(InUse):
            opened(image, writable=True)
        with pytest.raises(InUse):
            loop.attach(image, read_only=False)
        with loop.attach(image, read_only=False, shared=True):
            pass
