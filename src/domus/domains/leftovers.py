"""What a device leaves in dom0 for a moment after its nodes are gone: the kernel's own cleaning up."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from domus.devices.backends import DeviceRef
from domus.devices.hotplug import Hotplug
from domus.network import bridges
from domus.storage import loop

log = logging.getLogger(__name__)

_GONE_WITHIN: Final = 10.0  # seconds
_LOOK_EVERY: Final = 0.01


class Leftovers:
    """Of one device; made before it is taken away.

    Args:
        device: None: dom0 does not serve it, and nothing of it is here.
    """

    def __init__(self, hotplug: Hotplug, device: DeviceRef | None) -> None:
        self._hotplug = hotplug
        self._device = device
        disk, self._vif = (None, None) if device is None else hotplug.names_of(device)
        self._disk = disk
        self._file = None if disk is None else loop.backing_file(disk)

    async def wait_gone(self) -> None:
        """Wait until its backend, loop device and network device are gone."""
        if self._device is None:
            return
        try:
            async with asyncio.timeout(_GONE_WITHIN):
                await self._hotplug.wait_unplugged(self._device)
                while self._is_left():
                    await asyncio.sleep(_LOOK_EVERY)
        except TimeoutError:
            log.error("device %s is detached, but something of it is not gone", self._device)

    def _is_left(self) -> bool:
        if self._vif is not None and bridges.has_device(self._vif):
            return True
        return (
            self._disk is not None
            and self._file is not None
            and (loop.backing_file(self._disk) == self._file)
        )
