"""What dom0's kernel says went wrong with the disks that it serves, as data.

Source: Linux Documentation/ABI/testing/dev-kmsg (records); block/blk-core.c (blk_errors) and block/blk-mq.c
(blk_print_req_error); drivers/md/dm-thin.c (metadata_low_callback, set_pool_mode, dm_internal_suspend).
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domus.storage.targets import DeviceNumber

log = logging.getLogger(__name__)

KMSG: Final = Path("/dev/kmsg")
SYS_CLASS_BLOCK: Final = Path("/sys/class/block")

#: one record at the most, and some of what it may be in a future kernel (printk: CONSOLE_EXT_LOG_MAX)
_RECORD_BYTES: Final = 16384

#: "I/O error, dev loop1, sector 8 op 0x1:(WRITE) flags 0x8800 ..."; before Linux 5.17 with a prefix
_FAILED: Final = re.compile(
    r"(?:^|: )([a-zA-Z/ -]{2,40}) error, dev ([\w!.-]{1,32}), sector (\d+) op \S*\((\w+)\)"
)

#: what the kernel calls a device that is full (BLK_STS_NOSPC)
_FULL: Final = "critical space allocation"


@dataclass(frozen=True)
class DiskError:
    """A request that a block device of dom0's could not carry out."""

    device: str  #: "loop1", "dm-3"
    full: bool  #: there is no space left behind it
    text: str  #: the kernel's word: "I/O", "critical medium"
    operation: str  #: "READ", "WRITE", "DISCARD"
    sector: int

    def number(self, sys_class_block: Path = SYS_CLASS_BLOCK) -> DeviceNumber | None:
        """The device's number; None: it is gone."""
        try:
            major, _, minor = (sys_class_block / self.device / "dev").read_text().strip().partition(":")
            return DeviceNumber(int(major), int(minor))
        except (OSError, ValueError):
            return None


def parse(record: bytes) -> DiskError | None:
    """A record of /dev/kmsg; None: it is about something else."""
    head, _, message = record.decode("utf-8", "replace").partition(";")
    # The second field of the head is a number; who writes to /dev/kmsg has another facility than the kernel.
    priority = head.partition(",")[0]
    if not priority.isdecimal() or int(priority) >> 3:
        return None
    found = _FAILED.search(message.partition("\n")[0])
    if found is None:
        return None
    text, device, sector, operation = found.groups()
    return DiskError(device, text == _FULL, text, operation, int(sector))


class KernelLog:
    """Reads what the kernel says from now on. For the event loop.

    Args:
        tell: called for each error of a disk.
    """

    def __init__(self, tell: Callable[[DiskError], None]) -> None:
        self._tell = tell
        self._descriptor: int | None = None

    def start(self) -> None:
        """Begin; without /dev/kmsg nothing is told."""
        try:
            self._descriptor = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            log.warning("errors of disks are not told: %s: %s", KMSG, error.strerror)
            return
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """End; harmless when it has not begun."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _read(self) -> None:
        assert self._descriptor is not None  # noqa: S101 - else there is no reader
        while True:
            try:
                record = os.read(self._descriptor, _RECORD_BYTES)
            except BrokenPipeError:
                continue  # records were overwritten before they were read: go on with the oldest
            except OSError:
                return
            if not record:
                return
            if (error := parse(record)) is not None:
                self._tell(error)
