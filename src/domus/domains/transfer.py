"""Everything that is managed as one document, and back: `xm export` and `xm import`.

An import is one transaction: all of the document is kept, or nothing. Images are not in it: a document names
what a domain starts from, and blobs that are missing here are told.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from domus.domains import startplan
from domus.domains.events import EventKind
from domus.domains.kept_table import KeptTable
from domus.domains.parts import Parts
from domus.model.cpupool import CpupoolConfig, check_cpupool_name
from domus.model.domain import DomainInfo
from domus.model.errors import AlreadyExists, BadInput, WrongState
from domus.model.firewall import parse_all
from domus.model.managed import (
    EXPORT_FORMAT,
    EXPORT_VERSION,
    Clash,
    Export,
    ExportedDomain,
    Imported,
    StartSettings,
)
from domus.model.names import check_domain_name, check_uuid
from domus.storage import blobs
from domus.storage.blobs import BlobStore

_HINT: Final = "nothing is imported; --skip leaves out what is there, --force replaces what is kept of it"


@dataclass
class _Plan:
    """What an import will do."""

    forget: list[str] = field(default_factory=list)  #: uuids
    add: list[ExportedDomain] = field(default_factory=list)
    pools: list[CpupoolConfig] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)  #: names, as the next
    skipped: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """What will be kept."""
        return [each.name for each in self.add] + [_pool(each) for each in self.pools]


class Transfer:
    """Exports and imports managed domains. For the event loop."""

    def __init__(self, parts: Parts, blobs: BlobStore) -> None:
        self._parts = parts
        self._blobs = blobs
        self._pools = KeptTable(parts.database, "cpupool", CpupoolConfig)

    async def export(self) -> Export:
        """All managed domains, with their histories."""
        definitions = self._parts.definitions
        domains = [
            ExportedDomain(
                uuid=managed.uuid,
                history=tuple(await definitions.history(managed.uuid)),
            )
            for managed in sorted(definitions, key=lambda each: each.name.encode())
        ]
        pools = await self._pools.all()
        return Export(
            host=os.uname().nodename,
            time=time.time(),
            domains=tuple(domains),
            cpupools=tuple(pools[name] for name in sorted(pools)),
        )

    async def take_in(self, export: Export, clash: Clash, *, who: str) -> Imported:
        """Keep what an export has; on return it is on disk.

        Raises:
            BadInput: it is no export, of a newer version, or has something that no domain may have.
            AlreadyExists: a name or uuid is managed here (clash REFUSE), or belongs to an unmanaged domain.
            WrongState: a domain that would be replaced by another runs.
            Busy: something is going on with one of them.
        """
        check(export)
        export = replace(export, domains=tuple(map(of_version_2, export.domains)))
        with contextlib.ExitStack() as held:
            for each in export.domains:
                doing = "it is being imported"
                keys = (each.name, each.uuid)
                held.enter_context(self._parts.locks.hold(*keys, domain=each.name, doing=doing))
            plan = make_plan(export, clash, await self._parts.list(), await self._pools.all())
            await self._parts.definitions.replace_all(
                plan.forget,
                plan.add,
                also=lambda connection: self._pools.put_within(connection, plan.pools),
            )
        for uuid in set(plan.forget) - {each.uuid for each in plan.add}:
            self._parts.events.publish(EventKind.DOMAIN_DELETED, uuid=uuid, who=who)
        for each in plan.add:
            self._parts.events.publish(
                EventKind.DOMAIN_DEFINED,
                domain=each.name,
                uuid=each.uuid,
                who=who,
                revision=str(each.history[-1].number),
            )
        return Imported(
            added=tuple(name for name in plan.names() if name not in plan.replaced),
            replaced=tuple(plan.replaced),
            skipped=tuple(plan.skipped),
            missing=await self._parts.workers.call(self._missing, plan.add),
        )

    def _missing(self, domains: Iterable[ExportedDomain]) -> tuple[str, ...]:
        """The images that a start needs and that are not here."""
        return tuple(
            f"{each.name}: {image}"
            for each in domains
            for image in (each.history[-1].config.kernel, each.history[-1].config.ramdisk)
            if image
            and image.startswith(blobs.PREFIX)
            and image.removeprefix(blobs.PREFIX) not in self._blobs
        )


def check(export: Export) -> None:
    """Refuse what is no export, or could not have been made by one.

    Raises:
        BadInput: with the place.
    """
    if export.format != EXPORT_FORMAT:
        raise BadInput(f"this is no export of managed domains: its format is {export.format[:40]!r}")
    if export.version > EXPORT_VERSION:
        raise BadInput(f"this export was made by a newer Domus (version {export.version})")
    seen: set[str] = set()
    for place, each in enumerate(export.domains):
        where = f"domains[{place}]"
        check_exported(each, where)
        for identity in (each.name, each.uuid):
            if identity in seen:
                raise BadInput(f"'{identity}' is there twice", where=where)
            seen.add(identity)
    for place, config in enumerate(export.cpupools):
        check_cpupool_name(config.name)
        if config.name in [other.name for other in export.cpupools[:place]]:
            raise BadInput(f"'{config.name}' is there twice", where=f"cpupools[{place}]")
    after = {each.name: of_version_2(each).history[-1].config.start_after for each in export.domains}
    if names := startplan.circle(after):
        raise BadInput(f"'{names[0]}': {startplan.told(names)}")


def check_exported(each: ExportedDomain, where: str) -> None:
    """Refuse what could not have been kept of a managed domain.

    Raises:
        BadInput: `where` is its place.
    """
    if not each.history:
        raise BadInput("a domain without a configuration", where=where)
    if check_uuid(each.uuid) != each.uuid:
        raise BadInput(f"invalid uuid {each.uuid!r}", where=where)
    numbers = [revision.number for revision in each.history]
    if numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise BadInput("revisions that are not in order", where=where)
    check_domain_name(each.name)
    if each.history[-1].config.uuid != each.uuid:
        raise BadInput(f"the configuration of '{each.name}' has another uuid", where=where)
    for revision in each.history:
        try:
            parse_all(revision.config.firewall)
        except BadInput as error:
            told = f"the firewall of '{each.name}', revision {revision.number}: {error.what}"
            raise BadInput(told, where=where, hint=error.hint) from None


def of_version_2(domain: ExportedDomain) -> ExportedDomain:
    """A domain of an export of version 1 with its settings of the start where they are now."""
    start = domain.start
    if start == StartSettings():
        return domain
    *before, last = domain.history
    config = replace(
        last.config, start_order=start.order, start_delay_s=start.delay_s, start_after=start.after
    )
    return replace(domain, start=StartSettings(), history=(*before, replace(last, config=config)))


def _pool(config: CpupoolConfig) -> str:
    return f"cpupool {config.name}"


def make_plan(
    export: Export, clash: Clash, domains: Iterable[DomainInfo], pools: Collection[str] = ()
) -> _Plan:
    """What importing this would do to a host with these domains and managed cpupools; see `take_in`."""
    plan, clashes, domains = _Plan(), [], list(domains)
    for config in export.cpupools:
        if config.name in pools and clash is Clash.SKIP:
            plan.skipped.append(_pool(config))
        elif config.name in pools and clash is Clash.REFUSE:
            clashes.append(_pool(config))
        else:
            plan.pools.append(config)
            plan.replaced += [_pool(config)] if config.name in pools else []
    for each in export.domains:
        taken = [info for info in domains if each.name == info.name or each.uuid == info.uuid]
        if not taken:
            plan.add.append(each)
        elif clash is Clash.SKIP:
            plan.skipped.append(each.name)
        elif clash is Clash.REFUSE:
            clashes.append(each.name)
        else:
            for info in taken:
                _check_replaceable(info, each)
            plan.forget += [info.uuid for info in taken]
            plan.add.append(each)
            plan.replaced.append(each.name)
    if clashes:
        names = ", ".join(f"'{name}'" for name in clashes)
        raise AlreadyExists(
            f"VM name {names} already exists" if len(clashes) == 1 else f"VM names {names} already exist",
            hint=_HINT,
        )
    return plan


def _check_replaceable(info: DomainInfo, new: ExportedDomain) -> None:
    if not info.managed:
        raise AlreadyExists(
            f"VM name '{info.name}' already exists as domain {info.domid}", hint="it is not managed"
        )
    if info.domid is not None and (info.name, info.uuid) != (new.name, new.uuid):
        raise WrongState(
            f"domain '{info.name}' runs, and would be replaced by another", hint="nothing is imported"
        )
