"""Loop devices of this kernel: they live as long as somebody holds them, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domus.model.errors import HostProblem
from domus.storage import loop


def _usable() -> bool:
    return os.geteuid() == 0 and loop.CONTROL.exists()


pytestmark = pytest.mark.skipif(not _usable(), reason="needs root and /dev/loop-control")


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk.img"
    path.write_bytes(b"begin" + bytes(1 << 20))
    yield path
    assert loop.find(path) == [], "a loop device is left"


def eventually(claim: Callable[[], bool]) -> bool:
    """The kernel detaches in the background; measured: a few milliseconds."""
    end = time.monotonic() + 5
    while not claim() and time.monotonic() < end:
        time.sleep(0.005)
    return claim()


def test_an_attached_device_shows_the_file_until_it_is_released(image: Path) -> None:
    with loop.attach(image, read_only=False) as device:
        assert loop.find(image) == [device.path]
        assert loop.backing_file(device.path) == str(image)
        with Path(device.path).open("rb") as disk:
            assert disk.read(5) == b"begin"
    assert eventually(lambda: loop.find(image) == [])


def test_a_device_stays_for_whoever_has_it_open_after_we_let_go(image: Path) -> None:
    device = loop.attach(image, read_only=False)
    with Path(device.path).open("rb") as backend:
        device.release()
        assert loop.find(image) == [device.path]
        assert backend.read(5) == b"begin"
    assert eventually(lambda: loop.find(image) == [])


def test_nothing_can_be_written_through_a_read_only_device(image: Path) -> None:
    with loop.attach(image, read_only=True) as device:
        status = loop.status(device.path)
        assert status is not None
        assert status.read_only
        with pytest.raises(OSError), Path(device.path).open("r+b", buffering=0) as disk:
            disk.write(bytes(512))
    assert eventually(lambda: loop.find(image) == [])


def test_direct_io_is_used_where_the_filesystem_can(image: Path) -> None:
    try:
        os.close(os.open(image, os.O_RDWR | os.O_DIRECT))
    except OSError:
        pytest.skip("this filesystem cannot do direct I/O")
    with loop.attach(image, read_only=False) as device:
        status = loop.status(device.path)
        assert status is not None
        assert status.direct_io
        assert status.file_inode == image.stat().st_ino
    with loop.attach(image, read_only=False, direct_io=False) as device:
        status = loop.status(device.path)
        assert status is not None
        assert not status.direct_io
    assert eventually(lambda: loop.find(image) == [])


def test_a_killed_process_leaves_no_device(image: Path) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from domus.storage import loop\n"
            "device = loop.attach(sys.argv[1], read_only=False)\n"
            "print(device.path, flush=True); time.sleep(60)",
            image,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    path = child.stdout.readline().strip()
    assert loop.find(image) == [path]
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert eventually(lambda: loop.find(image) == [])


def test_detaching_may_be_repeated(image: Path) -> None:
    device = loop.attach(image, read_only=False)
    device.release()
    loop.detach(device.path)
    loop.detach(device.path)
    loop.detach("/dev/loop999999")
    assert eventually(lambda: loop.find(image) == [])


def test_a_missing_file_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(HostProblem, match="No such file"):
        loop.attach(tmp_path / "no.img", read_only=False)
