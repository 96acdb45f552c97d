"""Which parts of a block device are written, from now on: the kernel's own trace of it.

Nothing is put between a guest and its disk for that: the kernel tells each request that is given to the
device, whoever gives it. A request is told before it is carried out: what was read of the device meanwhile
may be older, so who copies a disk looks at all that was ever told once more when nothing writes any more.

Source: Linux, Documentation/trace/ftrace.rst (instances, trace_pipe, per_cpu stats), events.rst (filters);
include/trace/events/block.h (block_bio_queue: device, kind, sector, sectors); block/blk-core.c (partitions
are told with sectors of the whole disk, so they are not traced here).
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from domus.model.errors import ProgramFailed
from domus.programs import run
from domus.storage.targets import SYS_DEV_BLOCK, DeviceNumber

log = logging.getLogger(__name__)

_TRACING: Final = Path("/sys/kernel/tracing")
_EVENT: Final = "events/block/block_bio_queue"
_OURS: Final = "domus-"
_SECTOR: Final = 512

#: KiB for each CPU: some 60,000 requests between two looks
_BUFFER_KIB: Final = 4096
_PIECE: Final = 256 << 10

_TOLD: Final = re.compile(rb"block_bio_queue: \d+,\d+ \S+ (\d+) \+ (\d+)")


class Lost(Exception):
    """The kernel could not keep everything: any part may have been written."""


class WriteLog:
    """The requests to one device; see `start`. For worker threads."""

    def __init__(self, instance: Path) -> None:
        self._instance = instance
        self._rest = b""
        (instance / "buffer_size_kb").write_text(str(_BUFFER_KIB))
        self._pipe = os.open(instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def take(self) -> list[tuple[int, int]]:
        """What was written since the last call, as first byte and number of bytes.

        Raises:
            Lost: not all of it is known.
        """
        found = []
        with suppress(BlockingIOError):
            while piece := os.read(self._pipe, _PIECE):
                *lines, self._rest = (self._rest + piece).split(b"\n")
                for line in lines:
                    if told := _TOLD.search(line):
                        found.append((int(told[1]) * _SECTOR, int(told[2]) * _SECTOR))
                    elif b"LOST" in line:
                        raise Lost
        for stats in self._instance.glob("per_cpu/cpu*/stats"):
            if re.search(r"^(overrun|dropped events): [1-9]", stats.read_text(), re.M):
                raise Lost
        return found

    def close(self) -> None:
        """Let the kernel tell no more. May be called twice."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            _remove(self._instance)


def start(device: DeviceNumber) -> WriteLog | None:
    """Have writes to a device told from now on; None: this kernel cannot, or not for such a device.

    Where it runs:
        May start `mount`: worker threads.
    """
    if (SYS_DEV_BLOCK / str(device) / "partition").exists() or not _is_mounted():
        return None
    instance = _TRACING / f"instances/{_OURS}{os.getpid()}-{device.major}-{device.minor}"
    try:
        instance.mkdir()
    except OSError as error:
        log.info("writes to %s are not told: %s", device, error.strerror)
        return None
    try:
        event = instance / _EVENT
        # The kernel's own number of a device: 20 bits of minor number (linux/kdev_t.h).
        (event / "filter").write_text(f'dev == {device.major << 20 | device.minor} && !(rwbs ~ "*R*")')
        found = WriteLog(instance)
        (event / "enable").write_text("1")
    except OSError as error:
        log.info("writes to %s are not told: %s", device, error.strerror)
        _remove(instance)
        return None
    return found


def _is_mounted() -> bool:
    if not (_TRACING / "events").exists():  # systemd does it on a server
        with suppress(ProgramFailed):
            run(["mount", "-t", "tracefs", "tracefs", _TRACING])
    return (_TRACING / _EVENT).exists()


def sweep() -> None:
    """Let the kernel tell no more to a xend that was killed. Worker threads."""
    for instance in _TRACING.glob(f"instances/{_OURS}*"):
        number = instance.name.removeprefix(_OURS).partition("-")[0]
        if not Path(f"/proc/{number}").exists():
            _remove(instance)


def _remove(instance: Path) -> None:
    try:
        instance.rmdir()
    except OSError as error:
        log.warning("%s: %s", instance, error.strerror)
