"""Which devices a domain has."""

from __future__ import annotations

import asyncio

from domus.devices import attached
from domus.domains.parts import Parts
from domus.model.errors import BadInput
from domus.model.live import DeviceInfo


class DeviceLists:
    """Devices as XenStore has them, whoever attached them. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def list(self, reference: str, kind: str) -> list[DeviceInfo]:
        """The devices of one kind of frontend, by their numbers.

        Raises:
            DomainNotFound: no such domain.
            BadInput: this is no kind's name.
        """
        if not attached.KIND.fullmatch(kind):
            raise BadInput(f"invalid kind of device {kind[:40]!r}", hint="such as vbd, vif, vtpm or console")
        info = await self._parts.get(reference)
        if info.domid is None:
            return []
        found = await attached.devices(self._parts.store, info.domid, kind)
        return list(await asyncio.gather(*(attached.describe(self._parts.store, device) for device in found)))
