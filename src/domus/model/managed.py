"""Managed domains: those whose configuration xend keeps whether they run or not, with every change of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from domus.model.config import DomainConfig
from domus.model.cpupool import CpupoolConfig

#: what an export calls itself, and the version that this Domus writes
EXPORT_FORMAT: Final = "domus-managed"
EXPORT_VERSION: Final = 2


class Revision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One state of a managed domain's configuration; the first is number 1."""

    number: int
    time: float  #: seconds since the epoch at which it was made
    who: str  #: who made it, such as "uid:0" or "cn:laptop"
    what: str  #: what made it, such as "new", "edit" or "mem-set 512"
    config: DomainConfig


class ManagedDomain(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What xend keeps of a managed domain now."""

    uuid: str
    revision: Revision  #: the one that its next start uses

    @property
    def config(self) -> DomainConfig:
        """The configuration that its next start uses."""
        return self.revision.config

    @property
    def name(self) -> str:
        """Its name."""
        return self.revision.config.name


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A field in which a running domain is not what its kept configuration says."""

    field: str  #: as the model calls it, such as "memory_mib"
    kept: str  #: its value in the kept configuration, as JSON
    running: str  #: and in the domain that runs


class DefineRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/managed: keep this configuration from now on; nothing is started."""

    config: DomainConfig


class StartRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/managed/REF/start."""

    paused: bool = False  #: leave it paused once built


class RenameRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/rename."""

    name: str


class ConfigureRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/managed/REF/config: keep this configuration instead."""

    config: DomainConfig
    base: int | None = None  #: the revision that was changed; refused when it is no longer the last one
    what: str = "set"  #: what the change is, for the history


class RevertRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/managed/REF/revert: keep again what was kept as this revision."""

    revision: int


class AutostartRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/managed/REF/autostart: whether and when xend starts it; None: as it was."""

    enabled: bool = True
    order: int | None = None
    delay_s: float | None = None
    after: tuple[str, ...] | None = None


class StartSettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What version 1 of the export had beside the configuration; now it is in there, by these names."""

    order: int = 0
    delay_s: float = 0.0
    after: tuple[str, ...] = ()


class ExportedDomain(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A managed domain with all that is kept of it."""

    uuid: str
    start: StartSettings = StartSettings()  #: of version 1 only
    history: tuple[Revision, ...]  #: the oldest first; the last one is what is kept now

    @property
    def name(self) -> str:
        """Its name; "" in a document that has no history of it."""
        return self.history[-1].config.name if self.history else ""


class Export(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is managed on a host: what `xm export` writes and `xm import` reads."""

    format: str = EXPORT_FORMAT
    version: int = EXPORT_VERSION  #: of this format; a newer one is refused
    host: str = ""  #: where it was made
    time: float = 0.0  #: seconds since the epoch
    domains: tuple[ExportedDomain, ...] = ()
    cpupools: tuple[CpupoolConfig, ...] = ()  #: the managed ones


class Clash(StrEnum):
    """What an import does with a domain whose name or uuid is managed already, or a cpupool of that name."""

    REFUSE = "refuse"  #: nothing at all is imported
    SKIP = "skip"  #: it is left out
    REPLACE = "replace"  #: what is kept of it here is replaced, history included


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/managed/import: keep all of this, or nothing if any of it is refused."""

    export: Export
    clash: Clash = Clash.REFUSE


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, by name; of a cpupool "cpupool NAME"."""

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    #: "NAME: sha256:HEX", images that this host does not have and that a start needs
    missing: tuple[str, ...] = ()
