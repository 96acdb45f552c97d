"""Whether a disk's writes have arrived: what a backend still has under way when its guest has suspended."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Final

from domus.model.errors import HostProblem
from domus.storage.targets import SYS_DEV_BLOCK, DeviceNumber

_LOOK_EVERY: Final = 0.005


def wait_written(devices: Iterable[DeviceNumber], *, within: float) -> None:
    """Wait until no write to any of these devices is under way, and image files have what was written.

    Raises:
        HostProblem: it took longer than `within` seconds.

    Where it runs:
        Blocks: worker threads.
    """
    until = time.monotonic() + within
    for device in devices:
        entry = SYS_DEV_BLOCK / str(device)
        # two numbers: reads and writes under way (Linux, Documentation/block/stat.rst, "inflight")
        while int((entry / "inflight").read_text().split()[1]):
            if time.monotonic() > until:
                raise HostProblem(f"writes to block device {device} do not end", hint="is its storage there?")
            time.sleep(_LOOK_EVERY)
        if (entry / "loop").exists():
            # /dev/block is udev's, and need not be there
            descriptor = os.open(f"/dev/{entry.resolve().name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
