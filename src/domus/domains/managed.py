"""Managed domains: defined, started, renamed, reconfigured, deleted.

Their configurations are in `Definitions`; here is what may be done to them and when. What was done to a
running one is kept through `domus.domains.keeping`.
"""

from __future__ import annotations

import builtins
import contextlib
import logging
from typing import Final

from msgspec.structs import replace

from domus.domains import differences, prepare, startplan
from domus.domains.build import Handle
from domus.domains.carry_out import carry_out
from domus.domains.events import EventKind
from domus.domains.journal import FinishDelete, RenameDomain
from domus.domains.keeping import check_buildable
from domus.domains.mirror import Mirror
from domus.domains.parts import Parts, guest
from domus.model.config import DomainConfig
from domus.model.domain import DomainInfo
from domus.model.errors import AlreadyExists, BadInput, WrongState
from domus.model.managed import AutostartRequest, Difference, ManagedDomain, Revision
from domus.model.names import check_domain_name
from domus.model.operation import Operation
from domus.storage import blobs
from domus.storage.blobs import BlobStore

log = logging.getLogger(__name__)

_LONGEST_DELAY: Final = 3600.0  # seconds before a domain is started


class Managed:
    """What can be done with managed domains. For the event loop."""

    def __init__(self, parts: Parts, blobs: BlobStore) -> None:
        self._parts = parts
        self._definitions = parts.definitions
        self._blobs = blobs
        self._mirror = Mirror(parts)

    async def start_mirror(self) -> None:
        """Begin to show in XenStore what is managed."""
        await self._mirror.start()

    async def close(self) -> None:
        """Stop that."""
        await self._mirror.close()

    # Looking

    async def get(self, reference: str) -> ManagedDomain:
        """What is kept of a managed domain.

        Raises:
            DomainNotFound: there is no such domain.
            WrongState: it is not managed.
        """
        return self._definitions.require((await self._parts.get(reference)).uuid)

    def list(self) -> builtins.list[ManagedDomain]:
        """All of them, sorted by name."""
        return sorted(self._definitions, key=lambda each: each.name.encode())

    async def history(self, reference: str) -> builtins.list[Revision]:
        """Every configuration that a managed domain has had, the oldest first; as `get`."""
        return await self._definitions.history((await self.get(reference)).uuid)

    async def differences(self, reference: str) -> builtins.list[Difference]:
        """Where a running domain is not what its kept configuration says; none when it does not run."""
        info = await self._parts.get(reference)
        kept = self._definitions.require(info.uuid)
        running = self._parts.kept.running(info.uuid, info.domid)
        return [] if running is None else differences.between(kept.config, running.config, info)

    # Changing what is kept

    async def define(self, config: DomainConfig, *, who: str, what: str = "new") -> ManagedDomain:
        """Keep a configuration from now on; nothing is started.

        With the uuid of a managed domain it replaces that one's, as a new revision.

        Raises:
            BadInput: it can never be built.
            AlreadyExists: the name belongs to another domain, in xend's words.
            NotFound: it names a blob that is not here.
            Busy: something is going on with a domain of that name or uuid.
        """
        config = self._settled(config)
        uuid = config.uuid or ""
        with self._parts.locks.hold(config.name, uuid, domain=config.name, doing="it is being defined"):
            domains = await self._parts.list()
            self._parts.check_free(config.name, uuid, domains)
            for info in domains:
                if info.uuid == uuid and info.name != config.name:
                    raise AlreadyExists(
                        f"domain '{info.name}' has this uuid", hint=f"xm rename {info.name} {config.name}"
                    )
            known = self._definitions.get(uuid)
            await self._check(config)
            managed = await self._definitions.put(config, who=who, what=what)
        self._tell(EventKind.DOMAIN_DEFINED if known is None else EventKind.DOMAIN_CONFIGURED, managed, who)
        return managed

    async def configure(
        self, reference: str, config: DomainConfig, *, base: int | None, who: str, what: str
    ) -> ManagedDomain:
        """Keep `config` instead; a running domain has it from its next start on.

        Args:
            base: the revision that was changed; None: whichever is the last.

        Raises:
            DomainNotFound, WrongState (not managed), Busy.
            BadInput: it can never be built, or has another name or uuid.
            Conflict: `base` is not the last revision any more.
        """
        known = await self.get(reference)
        if config.name != known.name:
            raise BadInput(
                f"this names the domain '{config.name}', not '{known.name}'",
                hint=f"xm rename {known.name} {config.name}",
            )
        if config.uuid not in (None, known.uuid):
            raise BadInput(f"this has another uuid than domain '{known.name}'", hint=f"it is {known.uuid}")
        config = self._settled(replace(config, uuid=known.uuid))
        with self._changing(known):
            await self._check(config)
            managed = await self._definitions.change(
                known.uuid, lambda _: config, base=base, who=who, what=what
            )
        self._tell(EventKind.DOMAIN_CONFIGURED, managed, who)
        return managed

    async def revert(self, reference: str, number: int, *, who: str) -> ManagedDomain:
        """Keep again what was kept as revision `number`; the name stays.

        Raises:
            DomainNotFound, WrongState (not managed), Busy.
            NotFound: there is no such revision, or a blob of it is gone.
        """
        known = await self.get(reference)
        old = await self._definitions.revision(known.uuid, number)
        config = replace(old.config, name=known.name, uuid=known.uuid)
        return await self.configure(reference, config, base=None, who=who, what=f"revert to {number}")

    async def set_autostart(self, reference: str, wanted: AutostartRequest, *, who: str) -> ManagedDomain:
        """Say whether and when xend starts a domain by itself.

        Raises:
            DomainNotFound, WrongState (not managed), Busy.
            BadInput: a delay that is none, or a domain after itself.
        """
        known = await self.get(reference)
        was = known.config
        config = replace(
            was,
            autostart=wanted.enabled,
            start_order=was.start_order if wanted.order is None else wanted.order,
            start_delay_s=was.start_delay_s if wanted.delay_s is None else wanted.delay_s,
            start_after=was.start_after if wanted.after is None else wanted.after,
        )
        self._check_start(config)
        with self._changing(known):
            what = f"autostart {'on' if wanted.enabled else 'off'}"
            managed = await self._definitions.put(config, who=who, what=what)
        self._tell(EventKind.DOMAIN_CONFIGURED, managed, who)
        return managed

    async def delete(self, reference: str, *, who: str) -> None:
        """Forget a managed domain and its history.

        Raises:
            DomainNotFound, Busy.
            WrongState: it is not managed, or not halted, in xend's words.
        """
        info = await self._parts.get(reference)
        known = self._definitions.require(info.uuid)
        await self._taken_away(info)
        if info.domid is not None or self._waits(info.uuid):
            raise WrongState("Domain is not halted.")

        async def body(operation: Handle) -> None:
            await operation.commit(FinishDelete(known.uuid))
            await self.forget(known.uuid, who=who)

        await carry_out(
            self._parts,
            "delete",
            body,
            lock=known.uuid,
            name=known.name,
            doing="it is being deleted",
            who=who,
            domain=known.name,
            uuid=known.uuid,
        )

    async def forget(self, uuid: str, *, who: str = "xend") -> None:
        """Keep nothing of a domain, not even its memory if it is suspended; harmless when repeated."""
        known = self._definitions.get(uuid)
        await self._definitions.forget(uuid)
        await self._parts.suspended.forget(uuid)
        if known is not None:
            self._tell(EventKind.DOMAIN_DELETED, known, who)

    # Doing

    async def start(self, reference: str, *, paused: bool, who: str) -> Operation:
        """Build a managed domain as its configuration says; the operation's result is its domid.

        Raises:
            DomainNotFound, Busy.
            WrongState: it runs already, or is not managed.
        """
        info = await self._parts.get(reference)
        await self._taken_away(info)
        if info.domid is not None or self._waits(info.uuid):
            raise WrongState(
                "Domain is already running", hint="" if info.domid else "it waits to be restarted"
            )
        known = self._definitions.require(info.uuid)
        if known.uuid in self._parts.suspended:
            raise WrongState("Domain is suspended", hint=f"xm resume {known.name} brings it back")

        async def body(operation: Handle) -> None:
            await self._parts.builder.create(operation, known.config, paused=paused)

        return await self._parts.begin(
            "start",
            body,
            known.name,
            known.uuid,
            domain=known.name,
            uuid=known.uuid,
            doing="it is being started",
            who=who,
        )

    async def rename(self, reference: str, name: str, *, who: str) -> Operation:
        """Give a domain another name, whether it runs or is only managed: everywhere or nowhere.

        Raises:
            BadInput: this is no name.
            DomainNotFound, Busy.
            Forbidden: domain 0.
            AlreadyExists: another domain has it, in xend's words.
        """
        check_domain_name(name)
        info = guest(await self._parts.get(reference), "rename")
        self._parts.check_free(name, "", await self._parts.list())

        async def body(operation: Handle) -> None:
            async with operation.step("renaming", undo=RenameDomain(info.uuid, info.name)):
                await self.give_name(info.uuid, name, who=who)

        return await self._parts.begin(
            "rename",
            body,
            info.uuid,
            info.name,
            name,
            domain=info.name,
            uuid=info.uuid,
            doing="it is being renamed",
            who=who,
        )

    async def give_name(self, uuid: str, name: str, *, who: str = "xend") -> None:
        """Call a domain `name`: in Xen, among what its restart needs, and in what is kept of it.

        May be repeated: what has the name already is left alone.
        """
        for info in await self._parts.listing.list():
            if info.uuid == uuid and info.domid is not None and info.name != name:
                await self._parts.builder.rename(info.domid, name)
        kept = self._parts.kept.get(uuid)
        if kept is not None and kept.config.name != name:
            await self._parts.kept.put(replace(kept, config=replace(kept.config, name=name)))
        known = self._definitions.get(uuid)
        if known is not None and known.name != name:
            await self._called_by_others(known.name, name, who)
            config = replace(known.config, name=name)
            await self._definitions.put(config, who=who, what=f"rename from {known.name}")

    # Pieces

    async def _called_by_others(self, name: str, new: str, who: str) -> None:
        """Those that start after a domain go on doing so when it gets a new name."""
        for other in self._definitions:
            if name in other.config.start_after:
                after = tuple(new if each == name else each for each in other.config.start_after)
                config = replace(other.config, start_after=after)
                await self._definitions.put(config, who=who, what=f"rename of {name} to {new}")

    def _check_start(self, config: DomainConfig) -> None:
        """Refuse what says when a domain starts and cannot be.

        Raises:
            BadInput: a delay that is none, a name that is none, or a circle.
        """
        if not 0 <= config.start_delay_s <= _LONGEST_DELAY:
            raise BadInput(f"a delay of {config.start_delay_s:g} s", hint=f"0 to {_LONGEST_DELAY:g}")
        for name in config.start_after:
            check_domain_name(name)
        after = {each.name: each.config.start_after for each in self._definitions if each.uuid != config.uuid}
        if names := startplan.circle(after | {config.name: config.start_after}):
            raise BadInput(
                f"'{config.name}': {startplan.told(names)}", hint="start_after, xm autostart --after"
            )

    def _changing(self, known: ManagedDomain) -> contextlib.AbstractContextManager[None]:
        return self._parts.locks.hold(
            known.uuid, domain=known.name, doing="its configuration is being changed"
        )

    async def _taken_away(self, info: DomainInfo) -> None:
        """Wait until what is gone from Xen is gone from the host too: `shutdown -w` does not wait."""
        for operation in self._parts.operations.list():
            is_going = operation.kind == "destroy" and operation.uuid == info.uuid
            if info.domid is None and is_going and not operation.state.final:
                await self._parts.operations.wait(operation.id)

    def _waits(self, uuid: str) -> bool:
        return any(kept.uuid == uuid for kept in self._parts.kept.waiting())

    def _tell(self, kind: EventKind, managed: ManagedDomain, who: str) -> None:
        self._parts.events.publish(
            kind,
            domain=managed.name,
            uuid=managed.uuid,
            who=who,
            revision=str(managed.revision.number),
        )

    def _settled(self, config: DomainConfig) -> DomainConfig:
        """`config` with uuid and MAC addresses: those that were chosen when it was defined, or new."""
        known = None if config.uuid is None else self._definitions.get(config.uuid)
        return prepare.chosen(prepare.with_macs_of(config, known.config) if known else config)

    async def _check(self, config: DomainConfig) -> None:
        """As `check_buildable`; and the images that were handed over must be here."""
        self._check_start(config)
        images = [image for image in (config.kernel, config.ramdisk) if image]
        await self._parts.workers.call(check_buildable, config)
        for image in images:
            if image.startswith(blobs.PREFIX):
                await self._parts.workers.call(self._blobs.get, image.removeprefix(blobs.PREFIX))
