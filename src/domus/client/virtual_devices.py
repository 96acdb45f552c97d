"""Virtual TPMs, keyboards, displays and sound cards: `client.virtual_devices`."""

from __future__ import annotations

import msgspec

from domus.client.calls import Calls, domain_path
from domus.model.config import Vdispl, Vkb, Vsnd, Vtpm
from domus.model.operation import Operation


class VirtualDevices:
    """Those of one domain after the other; lists of them are in `client.devices`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def attach(self, ref: str, device: Vtpm | Vkb | Vdispl | Vsnd) -> Operation:
        """Begin to attach one."""
        kind = type(device).__name__.lower()
        return self._calls.post(f"{domain_path(ref)}/{kind}s", device, Operation)

    def detach(self, ref: str, kind: str, devid: int, *, force: bool = False) -> Operation:
        """Begin to detach one; `kind` is vtpm, vkb, vdispl or vsnd."""
        target = f"{domain_path(ref)}/{kind}s/{devid}?force={int(force)}"
        return msgspec.json.decode(self._calls.ask("DELETE", target), type=Operation)
