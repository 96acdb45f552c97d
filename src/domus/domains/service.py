"""The domains of a host: what xend can do with them. The API, and nothing else, calls this.

domains = await Domains.open(store=store, libxl=libxl, state_dir=Path("/var/lib/domus"), blobs=blobs)
operation = await domains.create(config, paused=False, who="uid:0")
operation = await domains.operations.wait(operation.id)
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Awaitable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from domus.devices.hotplug import Hotplug
from domus.domains import bootloaders, prepare
from domus.domains.acting import Acting
from domus.domains.adoption import Adoption
from domus.domains.attachments import Attachments
from domus.domains.autostart import AT_BOOT, Autostart, Starts
from domus.domains.ballooning import Ballooning
from domus.domains.build import Builder, Handle
from domus.domains.claims import DiskClaims
from domus.domains.cpupools import Cpupools
from domus.domains.database import Database
from domus.domains.debugging import Debugging
from domus.domains.defaults import filled
from domus.domains.definitions import Definitions
from domus.domains.detachments import Detachments
from domus.domains.device_lists import DeviceLists
from domus.domains.disk_troubles import DiskTroubles
from domus.domains.display import Displays, sweep
from domus.domains.endings import Endings
from domus.domains.events import EventBus, EventKind
from domus.domains.filtering import Filtering
from domus.domains.hoststop import AT_STOP, HostStop, Ways
from domus.domains.journal import UndoRecord
from domus.domains.keeping import Keeping
from domus.domains.kept import KeptDomains
from domus.domains.lifecycle import Key, Lifecycle
from domus.domains.listing import Listing
from domus.domains.locks import DomainLocks
from domus.domains.managed import Managed
from domus.domains.memory import Memory
from domus.domains.migration.link import Connect
from domus.domains.migration.moves import Moves
from domus.domains.migration.service import Migration, unconnected
from domus.domains.networks import Networks
from domus.domains.operations import Operations
from domus.domains.parts import Parts, guest
from domus.domains.passthrough import Passthrough
from domus.domains.psr import Psr
from domus.domains.quotas import Quotas
from domus.domains.reconciling import Reconciling
from domus.domains.saving import Saving
from domus.domains.scheduling import Scheduling
from domus.domains.statistics import DomainsStatistics
from domus.domains.stored import Stored
from domus.domains.suspended import Suspended
from domus.domains.suspending import Suspending
from domus.domains.transfer import Transfer
from domus.domains.undoing import Undoing
from domus.domains.vcpus import Vcpus
from domus.domains.virtual_devices import VirtualDevices
from domus.domains.wanted_cards import WantedCards
from domus.domains.worker import Workers
from domus.model.api import ShutdownKind
from domus.model.config import DomainConfig
from domus.model.domain import DomainInfo, GuestType
from domus.model.errors import DomainNotFound, LibxlError, NotFound, WrongState, from_problem
from domus.model.names import DOM0
from domus.model.operation import Operation
from domus.model.settings import GuestDefaults
from domus.storage.blobs import BlobStore
from domus.xen.libxl import Libxl
from domus.xen.xenstore import XenStore

if TYPE_CHECKING:
    from domus.domains.doctor import Doctor
    from domus.domains.network_check import NetworkCheck

log = logging.getLogger(__name__)

DATABASE: Final = "xend.sqlite"


class Domains:
    """All domains of this host. For the event loop; made by `open`."""

    def __init__(
        self,
        store: XenStore,
        libxl: Libxl,
        blobs: BlobStore,
        database: Database,
        kept: KeptDomains,
        definitions: Definitions,
        events: EventBus,
        moves: Moves,
        state_dir: Path,
        connect: Connect,
    ) -> None:
        self.events = events
        self.guest_defaults = GuestDefaults()  #: what the administrator decided for all guests
        self.operations: Operations[UndoRecord] = Operations(
            database, UndoRecord, self._undo, self._tell_operation
        )
        self._store = store
        self._libxl = libxl
        self._database = database
        self._kept = kept
        self._workers = Workers()
        self._locks = DomainLocks()
        self._hotplug = Hotplug(store, WantedCards(store, kept).find)
        self._listing = Listing(store, libxl, self._workers)
        claims = DiskClaims(self._hotplug, self._listing, self._workers)
        self.ballooning = Ballooning(libxl, self._workers)
        self._builder = Builder(
            store,
            libxl,
            self._workers,
            self._hotplug,
            blobs,
            kept,
            self._listing,
            claims,
            self.ballooning,
            resolve=lambda config: self.networks.resolved(config),
        )
        self._parts = Parts(
            store=store,
            libxl=libxl,
            workers=self._workers,
            database=database,
            kept=kept,
            definitions=definitions,
            suspended=Suspended(state_dir),
            locks=self._locks,
            events=events,
            operations=self.operations,
            hotplug=self._hotplug,
            listing=self._listing,
            builder=self._builder,
            ballooning=self.ballooning,
            claims=claims,
            released=self._released,
            went=moves.went,
        )
        self._endings = Endings(self._parts, self._set_aside)
        self._lifecycle = Lifecycle(store, self._listing, kept, events, self._endings.on_end)
        self.dumps = self._endings.dumps
        keeping = Keeping(self._parts)
        self.managed = Managed(self._parts, blobs)
        self.transfer = Transfer(self._parts, blobs)
        self.adoption = Adoption(self._parts)
        self._detachments = Detachments(self._parts, keeping)
        self.stored = Stored(self._parts)
        self._disk_troubles = DiskTroubles(self._parts, self.stored)
        self.networks = Networks(self._parts, state_dir / "networks")
        self.filtering = Filtering(self._parts, keeping, self.networks)
        self.attachments = Attachments(
            self._parts, self._detachments, keeping, self.networks, lambda: self.guest_defaults
        )
        self.device_lists = DeviceLists(self._parts)
        self.passthrough = Passthrough(self._parts)
        self.virtual_devices = VirtualDevices(self._parts)
        self.saving = Saving(self._parts)
        self.suspending = Suspending(self._parts, self.saving)
        self.migration = Migration(self._parts, blobs, self.saving, moves, connect)
        self.statistics = DomainsStatistics(self._parts)
        self.memory = Memory(self._parts, keeping)
        self.vcpus = Vcpus(self._parts, keeping)
        self.scheduling = Scheduling(self._parts, keeping)
        self.cpupools = Cpupools(self._parts)
        self.debugging = Debugging(self._parts)
        self.psr = Psr(self._parts)
        self.quotas = Quotas(self._parts)
        self.displays = Displays(self._parts)
        self.acting = Acting(self._parts)
        self._reconciling = Reconciling(self._parts)
        self._undoing = Undoing(
            self._parts,
            managed=self.managed,
            attachments=self.attachments,
            keeping=keeping,
            memory=self.memory,
            scheduling=self.scheduling,
            detachments=self._detachments,
            passthrough=self.passthrough,
            virtual_devices=self.virtual_devices,
            saving=self.saving,
            suspending=self.suspending,
            vcpus=self.vcpus,
            cpupools=self.cpupools,
            migration=self.migration,
            networks=self.networks,
        )
        self.autostart = Autostart(
            self._parts,
            Starts(
                create=lambda config: self.create(config, paused=False, who=AT_BOOT),
                start=lambda uuid: self.managed.start(uuid, paused=False, who=AT_BOOT),
                resume=lambda uuid: self.suspending.resume(uuid, paused=False, who=AT_BOOT),
                restore=lambda path: self.suspending.restore_once(path, who=AT_BOOT),
            ),
        )
        self.hoststop = HostStop(
            self._parts,
            Ways(
                shutdown=lambda uuid: self.acting.shutdown(uuid, ShutdownKind.POWEROFF, who=AT_STOP),
                destroy=lambda uuid: self._through(self.destroy(uuid, who=AT_STOP)),
                save=lambda uuid, path: self._through(
                    self.saving.save(uuid, str(path), checkpoint=False, who=AT_STOP)
                ),
                suspend=lambda uuid: self._through(self.suspending.suspend(uuid, who=AT_STOP)),
                migrate=lambda uuid, request: self._through(
                    self.migration.sending.migrate(uuid, request, who=AT_STOP)
                ),
            ),
        )

    @cached_property
    def doctor(self) -> Doctor:
        """What examines this host; imported when somebody asks."""
        from domus.domains.doctor import Doctor

        return Doctor(self._parts, self.stored)

    @cached_property
    def network_check(self) -> NetworkCheck:
        """What follows guests' packets; imported when somebody asks."""
        from domus.domains.network_check import NetworkCheck

        return NetworkCheck(self._parts, self.networks)

    @classmethod
    async def open(
        cls,
        *,
        store: XenStore,
        libxl: Libxl,
        state_dir: Path,
        blobs: BlobStore,
        connect: Connect = unconnected,
    ) -> Self:
        """Find everything as it is: domains, devices, and what the last xend left half-done, which is undone.

        Args:
            store: stays the caller's to close, and so does `libxl`.
            state_dir: xend's state; made when absent.
            blobs: kernels and ramdisks; those of running domains are kept from now on.
            connect: how other hosts are reached.

        Raises:
            DomusError: the state cannot be read, or Xen or XenStore do not answer.
        """
        database = await Database.open(state_dir / DATABASE)
        try:
            kept = await KeptDomains.open(database)
            definitions = await Definitions.open(database)
            events = await EventBus.open(database)
            moves = await Moves.open(database)
        except BaseException:
            await database.close()
            raise
        blobs.pinned = lambda: kept.blobs() | definitions.blobs()
        domains = cls(store, libxl, blobs, database, kept, definitions, events, moves, state_dir, connect)
        try:
            await domains._start()
        except BaseException:
            await domains.close()
            raise
        return domains

    async def _start(self) -> None:
        await self._workers.call(sweep)
        await self._workers.call(bootloaders.clear)
        await self.networks.note()
        await self._hotplug.start()
        await self.operations.recover()
        await self.networks.begin()
        await self._forget_gone()
        await self.migration.start()
        await self._lifecycle.start()
        self._endings.start()
        self._disk_troubles.start()
        await self.managed.start_mirror()
        self._reconciling.start()
        self.autostart.begin()

    async def _forget_gone(self) -> None:
        """Forget what was kept of domains that went while no xend was there."""
        running = {(info.uuid, info.domid) for info in await self._listing.list()}
        for kept in self._kept:
            if (kept.uuid, kept.domid) not in running and kept.restart_due is None:
                await self._kept.forget(kept.uuid)
                name, domid = kept.config.name, kept.domid
                if domid is not None:  # whoever waits for its end is told
                    self.events.publish(EventKind.DOMAIN_DESTROYED, domain=name, domid=domid, uuid=kept.uuid)

    async def close(self) -> None:
        """Stop what can be stopped, and undo it. Domains run on."""
        await self.autostart.close()
        await self._reconciling.close()
        await self.managed.close()
        await self.saving.resuming.close()
        await self._lifecycle.close()
        await self._endings.close()
        await self.migration.close()
        await self._disk_troubles.close()
        await self.networks.close()
        await self.operations.close()
        await self._hotplug.close()
        await self.events.close()
        self._workers.close()
        await self._database.close()

    # Looking

    async def list(self) -> builtins.list[DomainInfo]:
        """All domains that Xen has, and the managed ones that do not run; sorted by name."""
        return [self._endings.with_problem(info) for info in await self._parts.list()]

    async def get(self, reference: str) -> DomainInfo:
        """The domain of this name, else of this id, else of this uuid: xend's order.

        Raises:
            DomainNotFound: there is none.
        """
        return self._endings.with_problem(await self._parts.get(reference))

    async def config(self, reference: str) -> DomainConfig:
        """The configuration that a domain was made from, with uuid and MAC addresses as they were chosen.

        Raises:
            DomainNotFound: no such domain.
            NotFound: xend did not make it.
        """
        info = await self.get(reference)
        kept = self._kept.get(info.uuid)
        managed = self._parts.definitions.get(info.uuid)
        if managed is not None and (info.domid is None or kept is None):
            return managed.config
        if kept is None or kept.domid not in (None, info.domid):  # None: it is just being built
            raise NotFound(f"xend did not make domain '{info.name}' and does not have its configuration")
        return kept.config

    async def console_tty(self, reference: str) -> tuple[DomainInfo, str]:
        """A domain and the path of the pseudo terminal that is its console.

        Raises:
            DomainNotFound: no such domain.
            WrongState: domain 0, which has none; or it has none yet.
        """
        info = await self._parts.get(reference)
        if info.domid is None:
            raise WrongState(f"Domain '{info.name}' is not started")
        if info.domid == DOM0:
            raise WrongState(f"Domain '{info.name}' has no console here")
        # QEMU's serial port, where there is one; a guest without it talks on Xen's own console alone.
        serial = f"/local/domain/{info.domid}/serial/0/tty"
        paravirtual = info.guest_type is GuestType.HVM and not await self._parts.store.read_text(serial)
        find = self._parts.libxl.console_tty
        try:
            return info, await self._parts.workers.call(find, info.domid, paravirtual=paravirtual)
        except LibxlError as error:
            raise WrongState(f"Domain '{info.name}' has no console now", hint=error.what) from error

    # Making and ending

    async def create(self, config: DomainConfig, *, paused: bool, who: str) -> Operation:
        """Build a domain and start it; the operation's result is its domid.

        Raises:
            BadInput: its name or uuid is none.
            AlreadyExists: a domain of that name is managed, or waits to be restarted.
            Busy: something is going on with a domain of that name or uuid.
        """
        config = filled(prepare.chosen(config), self.guest_defaults)
        keys = (config.name, config.uuid or "")
        await self._endings.carried_out(*keys)  # one of that name may be going just now
        prepare.check_waiting(config, self._kept.waiting())
        if (managed := self._parts.definitions.holder(config.name, keys[1])) is not None:
            self._parts.check_free(managed.name, "", await self._parts.list())

        async def body(operation: Handle) -> None:
            await self._builder.create(operation, config, paused=paused)

        return await self._parts.begin(
            "create",
            body,
            *keys,
            domain=config.name,
            uuid=config.uuid or "",
            doing="it is being created",
            who=who,
        )

    async def destroy(self, reference: str, *, who: str) -> Operation:
        """Take a domain away at once, or stop it from being restarted. Once begun it is carried through.

        One that ended by itself just now is first ended as its configuration says: perhaps no more is to do.

        Raises:
            DomainNotFound: no such domain.
            Forbidden: domain 0.
            Busy: something else is going on with it.
        """
        name, uuid, domid = await self._to_destroy(reference)
        while await self._endings.carried_out(name, uuid):
            # It may have been taken away, been built anew, or wait for that.
            with suppress(DomainNotFound):
                name, uuid, domid = await self._to_destroy(uuid)
        self._locks.take(name, uuid, domain=name, doing="it is being destroyed")
        return await self._endings.destroy(name, uuid, domid, who)

    async def _to_destroy(self, reference: str) -> tuple[str, str, int | None]:
        """Name, uuid and id of a domain; without an id it waits to be built anew."""
        try:
            info = await self.get(reference)
        except DomainNotFound:
            waiting = self._endings.waiting(reference)
            if waiting is None:
                raise
            return waiting.config.name, waiting.uuid, None
        return guest(info, "destroy").name, info.uuid, info.domid

    async def reset(self, reference: str, *, who: str) -> Operation:
        """Destroy a domain and build it again, from the same configuration; see `Endings.reset`."""
        return await self._endings.reset(reference, who=who)

    # Pieces

    async def _through(self, begun: Awaitable[Operation]) -> None:
        """Wait for the end of an operation; what made it fail is raised."""
        ended = await self.operations.wait((await begun).id)
        if ended.problem is not None:
            raise from_problem(ended.problem)

    async def _undo(self, record: UndoRecord) -> None:
        await self._undoing.undo(record)

    def _released(self, *keys: str) -> None:
        self._locks.release(*keys)
        self._lifecycle.look()

    def _set_aside(self, old: Key, new: Key, name: str) -> None:
        self._lifecycle.set_aside(old, new, name)

    def _tell_operation(self, operation: Operation) -> None:
        detail = {"id": operation.id, "operation": operation.kind, "who": operation.who}
        kind = EventKind.OPERATION_STARTED
        if operation.state.final:
            kind = EventKind.OPERATION_ENDED
            detail["state"] = str(operation.state)
            if operation.problem is not None:
                detail["problem"] = operation.problem.title
        self.events.publish(
            kind, domain=operation.domain, domid=operation.domid, uuid=operation.uuid, **detail
        )
