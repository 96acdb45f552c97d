"""What the areas of `Domains` share: Xen, the state on disk, the locks, and how a domain is looked up."""

from __future__ import annotations

from dataclasses import dataclass

from domus.devices.hotplug import Hotplug
from domus.domains.build import Builder
from domus.domains.database import Database
from domus.domains.events import EventBus, EventKind
from domus.domains.journal import UndoRecord
from domus.domains.kept import KeptDomains
from domus.domains.listing import Listing
from domus.domains.locks import DomainLocks
from domus.domains.operations import Operations
from domus.domains.worker import Workers
from domus.model.domain import DomainInfo
from domus.model.errors import DomainNotFound, DomusError, Forbidden, WrongState
from domus.model.names import DOM0, check_uuid
from domus.xen.libxl import Libxl
from domus.xen.xenstore import XenStore


@dataclass(frozen=True)
class Parts:
    """One of each, made by `Domains`."""

    store: XenStore
    libxl: Libxl
    workers: Workers
    database: Database
    kept: KeptDomains
    locks: DomainLocks
    events: EventBus
    operations: Operations[UndoRecord]
    hotplug: Hotplug
    listing: Listing
    builder: Builder

    async def get(self, reference: str) -> DomainInfo:
        """The domain of this name, else of this id, else of this uuid: xend's order.

        Raises:
            DomainNotFound: there is none.
        """
        found = find(reference, await self.listing.list())
        if found is None:
            raise DomainNotFound(f"Domain '{reference[:128]}' does not exist.")
        return found

    async def alive(self, reference: str, verb: str) -> tuple[DomainInfo, int]:
        """A guest that runs, or is paused, and its domid; `verb` is what shall be done to it.

        Raises:
            DomainNotFound: there is none.
            Forbidden: it is domain 0.
            WrongState: it has ended.
        """
        info = guest(await self.get(reference), verb)
        if info.domid is None or info.shutdown or info.dying:
            raise WrongState(f"Domain '{info.name}' is not started")
        return info, info.domid

    def tell(self, kind: EventKind, info: DomainInfo, **detail: str) -> None:
        """Publish what happened to a domain."""
        self.events.publish(kind, domain=info.name, domid=info.domid, uuid=info.uuid, **detail)


def guest(info: DomainInfo, verb: str) -> DomainInfo:
    """`info`, unless it is domain 0: Forbidden then."""
    if info.domid == DOM0:
        raise Forbidden(f"Cannot {verb} privileged domain {info.name}")
    return info


def find(reference: str, infos: list[DomainInfo]) -> DomainInfo | None:
    """The domain of this name, else of this id, else of this uuid."""
    by_name = next((info for info in infos if info.name == reference), None)
    if by_name is not None:
        return by_name
    if reference.isascii() and reference.isdecimal():
        by_id = next((info for info in infos if str(info.domid) == (reference.lstrip("0") or "0")), None)
        if by_id is not None:
            return by_id
    try:
        uuid = check_uuid(reference)
    except DomusError:
        return None
    return next((info for info in infos if info.uuid == uuid), None)
