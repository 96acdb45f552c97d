"""What a device leaves in dom0 for a moment after its nodes are gone: the kernel's own cleaning up."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from domus.devices.backends import DeviceRef
from domus.devices.hotplug import Hotplug
from domus.devices.making import sweep
from domus.network import bridges
from domus.storage import loop
from domus.xen.xenstore import XenStore

log = logging.getLogger(__name__)

_GONE_WITHIN: Final = 10.0  # seconds
_LOOK_EVERY: Final = 0.01


class Leftovers:
    """Of one device; made before it is taken away.

    Args:
        device: None: dom0 does not serve it, and nothing of it is here.
    """

    def __init__(self, store: XenStore, hotplug: Hotplug, device: DeviceRef | None) -> None:
        self._store = store
        self._hotplug = hotplug
        self._device = device
        disk, self._vif = (None, None) if device is None else hotplug.names_of(device)
        self._disk = disk
        # A loop device that somebody made and keeps stays.
        self._file = None if disk is None or not loop.clears_itself(disk) else loop.backing_file(disk)

    async def wait_gone(self) -> None:
        """Wait until its backend, the kernel's device, loop device and network device are gone."""
        if self._device is None:
            return
        try:
            async with asyncio.timeout(_GONE_WITHIN):
                while self._is_left():
                    await asyncio.sleep(_LOOK_EVERY)
                await sweep(self._store, self._device)
                await self._hotplug.wait_unplugged(self._device)
        except TimeoutError:
            log.error("device %s is detached, but something of it is not gone", self._device)

    def _is_left(self) -> bool:
        if self._device is not None and self._device.kernel_path.exists():
            return True
        if self._vif is not None and bridges.has_device(self._vif):
            return True
        return (
            self._disk is not None
            and self._file is not None
            and (loop.backing_file(self._disk) == self._file)
        )
