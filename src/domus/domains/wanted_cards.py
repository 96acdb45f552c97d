"""What the kept configuration of a domain says of a card that is to be plugged in, and its rules."""

from __future__ import annotations

from domus.devices import vif
from domus.devices.backends import DeviceRef
from domus.domains.kept import KeptDomains
from domus.model.config import Nic
from domus.xen.xenstore import XenStore

#: what the node `vm` of a domain begins with; its uuid follows
_VM = "/vm/"


class WantedCards:
    """For the event loop."""

    def __init__(self, store: XenStore, kept: KeptDomains) -> None:
        self._store = store
        self._kept = kept

    async def find(self, device: DeviceRef) -> tuple[Nic | None, tuple[str, ...]]:
        """A vif's card, and its domain's rules; None: xend did not make its domain, or gave it no such."""
        # Only dom0 writes this node. While a domain is being built its number is not known elsewhere yet.
        path = await self._store.read_text(f"/local/domain/{device.domid}/vm") or ""
        kept = self._kept.get(path.removeprefix(_VM))
        if kept is None:
            return None, ()
        nics = kept.config.nics
        cards = dict(zip(vif.devids(nics), nics, strict=True))
        return cards.get(device.devid), kept.config.firewall
