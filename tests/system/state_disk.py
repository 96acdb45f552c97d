"""What outlives a lab host's power: a disk of its own, with xend's state or with images.

The lab's root is in memory, which is small and gone with the power.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

from domus.lab import disks, record
from domus.lab.host import LabHost
from domus.model.errors import DomusError

STATE: Final = "/var/lib/domus"


def make(path: Path, mib: int) -> None:
    """A file for such a disk."""
    with path.open("wb") as file:
        file.truncate(mib << 20)


def mount(host: LabHost, path: Path, *, empty: bool) -> None:
    """Let the host's xend have its state on this disk; on return a xend with that state answers.

    Args:
        empty: make a file system first.
    """
    plug(host, path, STATE, empty=empty)
    pid = host.run(["cat", "/run/domus/xend.pid"]).stdout
    host.run(["kill", pid.strip()])
    end = time.monotonic() + 300
    while True:
        now = host.run(["cat", "/run/domus/xend.pid"], check=False).stdout
        try:
            with host.client() as client:
                client.api()
                if now not in ("", pid):
                    return
        except DomusError:
            pass
        assert time.monotonic() < end, "no new xend"
        time.sleep(0.5)


def plug(host: LabHost, path: Path, folder: str, *, empty: bool) -> None:
    """Mount this disk on a folder of the host's."""
    device = _device(host, disks.lend(host.name, path).removeprefix("lun:"))
    if empty:
        host.run(["mke2fs", "-q", "-t", "ext4", device])
    host.run(["mkdir", "-p", folder])
    host.run(["mount", "-t", "ext4", device, folder])


def cut_power(host: LabHost) -> None:
    """No program of the host gets another instruction."""
    process = record.read(host.name).process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    while host.running:
        process.reap()


def _device(host: LabHost, serial: str) -> str:
    """The disk of this serial number, as soon as the host's kernel has found it."""
    end = time.monotonic() + 60
    with host.client() as client:
        while True:
            for disk in client.disks():
                if disk.serial == serial:
                    return disk.device
            assert time.monotonic() < end, "the host has not found its new disk"
            time.sleep(0.2)
