"""What the areas of `Domains` share: Xen, the state on disk, the locks, and how a domain is looked up."""

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from domus.devices.hotplug import Hotplug
from domus.domains import differences
from domus.domains.ballooning import Ballooning
from domus.domains.build import Builder
from domus.domains.claims import DiskClaims
from domus.domains.database import Database
from domus.domains.definitions import Definitions
from domus.domains.events import EventBus, EventKind
from domus.domains.journal import UndoRecord
from domus.domains.kept import KeptDomains
from domus.domains.listing import Listing
from domus.domains.locks import DomainLocks
from domus.domains.operations import OperationHandle, Operations
from domus.domains.suspended import Suspended
from domus.domains.worker import Workers
from domus.model.domain import DomainInfo, RunState
from domus.model.errors import AlreadyExists, DomainNotFound, DomusError, Forbidden, WrongState
from domus.model.managed import ManagedDomain
from domus.model.names import DOM0, check_uuid
from domus.model.operation import Operation
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
    definitions: Definitions
    suspended: Suspended
    locks: DomainLocks
    events: EventBus
    operations: Operations[UndoRecord]
    hotplug: Hotplug
    listing: Listing
    builder: Builder
    ballooning: Ballooning
    claims: DiskClaims
    #: releases the locks that an operation held; what happened to the domain meanwhile is looked at then
    released: Callable[..., None]
    #: the host to which a domain of this name or uuid moved; ""
    went: Callable[[str], str]

    async def list(self) -> builtins.list[DomainInfo]:
        """All domains that Xen has, and the managed ones that do not run; sorted by name as bytes are."""
        running = await self.listing.list()
        if not len(self.definitions):
            return running
        infos = [self._marked(info) for info in running]
        there = {info.uuid for info in infos if not info.dying}
        infos += [
            halted(each, suspended=each.uuid in self.suspended)
            for each in self.definitions
            if each.uuid not in there
        ]
        return sorted(infos, key=lambda info: info.name.encode())

    def _marked(self, info: DomainInfo) -> DomainInfo:
        managed = self.definitions.get(info.uuid)
        if managed is None:
            return info
        kept = self.kept.running(info.uuid, info.domid)
        differing = () if kept is None else differences.fields(managed.config, kept.config, info)
        # libxl takes the name away before the domain; who asks meanwhile must not hear that there is none.
        name = managed.name if info.name == f"Domain-{info.domid}" else info.name
        return replace(info, name=name, managed=True, differs=bool(differing), differing=differing)

    def check_free(self, name: str, uuid: str, domains: Iterable[DomainInfo]) -> None:
        """Refuse a name that another domain has, running, managed, or about to be restarted.

        Args:
            uuid: of the domain that wants the name; it may have it already.
            domains: as `list` has just returned them.

        Raises:
            AlreadyExists: in xend's words.
        """
        for info in domains:
            if info.name == name and info.uuid != uuid:
                where = "" if info.domid is None else f" as domain {info.domid}"
                raise AlreadyExists(f"VM name '{name}' already exists{where}")
        for kept in self.kept.waiting():
            if kept.config.name == name and kept.uuid != uuid:
                raise AlreadyExists(f"VM name '{name}' already exists", hint="it waits to be restarted")

    async def get(self, reference: str) -> DomainInfo:
        """The domain of this name, else of this id, else of this uuid: xend's order.

        Raises:
            DomainNotFound: there is none.
        """
        found = find(reference, await self.list())
        if found is None:
            there = self.went(reference)
            raise DomainNotFound(
                f"Domain '{reference[:128]}' does not exist.", hint=f"it moved to {there}" if there else ""
            )
        return found

    async def alive(self, reference: str, verb: str) -> tuple[DomainInfo, int]:
        """A guest that runs, or is paused, and its domid; `verb` is what shall be done to it.

        Raises:
            DomainNotFound: there is none.
            Forbidden: it is domain 0.
            Busy: it is being saved or moved.
            WrongState: it has ended.
        """
        info = guest(await self.get(reference), verb)
        return info, self._domid(info)

    async def started(self, reference: str) -> tuple[DomainInfo, int]:
        """A domain that runs, or is paused, and its domid; domain 0 counts.

        Raises:
            DomainNotFound: there is none.
            WrongState: it has ended.
        """
        info = await self.get(reference)
        return info, self._domid(info)

    def _domid(self, info: DomainInfo) -> int:
        if info.domid is None or info.shutdown or info.dying:
            # A guest that is saved or moved has suspended itself: that is what there is to say of it.
            self.locks.check(info.uuid, domain=info.name)
            raise WrongState(f"Domain '{info.name}' is not started")
        return info.domid

    async def begin(
        self,
        kind: str,
        body: Callable[[OperationHandle[UndoRecord]], Awaitable[None]],
        *keys: str,
        domain: str,
        uuid: str,
        doing: str,
        who: str,
        cancellable: bool = True,
    ) -> Operation:
        """Begin an operation on a domain; its locks are held until it has ended.

        Args:
            keys: the locks: the domain's uuid, and the names that must not change or be taken meanwhile.
            doing: what for, as in "it is being created".

        Raises:
            Busy: one of the locks is taken.
        """
        self.locks.take(*keys, domain=domain, doing=doing)
        return await self.operations.start(
            kind,
            domain=domain,
            uuid=uuid,
            who=who,
            body=body,
            cancellable=cancellable,
            on_end=lambda: self.released(*keys),
        )

    def tell(self, kind: EventKind, info: DomainInfo, **detail: str) -> None:
        """Publish what happened to a domain."""
        self.events.publish(kind, domain=info.name, domid=info.domid, uuid=info.uuid, **detail)


def guest(info: DomainInfo, verb: str) -> DomainInfo:
    """`info`, unless it is domain 0: Forbidden then."""
    if info.domid == DOM0:
        raise Forbidden(f"Cannot {verb} privileged domain {info.name}")
    return info


def halted(managed: ManagedDomain, *, suspended: bool = False) -> DomainInfo:
    """What there is to say of a managed domain that does not run."""
    config = managed.config
    return DomainInfo(
        name=config.name,
        uuid=managed.uuid,
        guest_type=config.guest_type,
        state=RunState.SUSPENDED if suspended else RunState.HALTED,
        target_kib=config.memory_mib << 10,
        max_kib=(config.maxmem_mib or config.memory_mib) << 10,
        max_vcpus=config.maxvcpus or config.vcpus,
        cpupool=config.cpupool or "Pool-0",
        security_label=config.security_label or "",
        managed=True,
    )


def find(reference: str, infos: list[DomainInfo]) -> DomainInfo | None:
    """The domain of this name, else of this id, else of this uuid; a running one first, a dying one last."""
    infos = sorted(infos, key=lambda info: (info.dying, info.domid is None))
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
