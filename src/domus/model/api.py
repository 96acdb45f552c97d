"""Bodies of API requests and answers that are not a noun of their own."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from domus.model.config import DomainConfig


class ApiInfo(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1: who answers, and what it can do beyond the first version of the API."""

    api: int = 1
    version: str  #: version of Domus
    host: str
    extensions: tuple[str, ...] = ()  #: a client asks for a capability, not for a version


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains: build a domain and start it."""

    config: DomainConfig
    paused: bool = False  #: leave it paused once built


class ShutdownKind(StrEnum):
    """What the guest is asked for (XenStore, control/shutdown)."""

    POWEROFF = "poweroff"
    REBOOT = "reboot"
    HALT = "halt"


class ShutdownRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/shutdown: ask the guest to end."""

    reason: ShutdownKind = ShutdownKind.POWEROFF


class SaveFormat(StrEnum):
    """How a saved domain is written."""

    DOMUS = "domus"  #: packed and with checksums
    XL = "xl"  #: as xl save writes it, for xl restore


class SaveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/save: write it into a file."""

    path: str  #: of the file, on the host; absolute
    checkpoint: bool = False  #: it goes on afterwards
    format: SaveFormat = SaveFormat.DOMUS


class RestoreRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/restore: bring a saved domain back."""

    path: str  #: of the file, on the host; absolute
    paused: bool = False  #: leave it paused


class DumpRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/dump-core: write its memory into an ELF core file."""

    path: str = ""  #: of the file, on the host; empty: /var/xen/dump/NAME/TIME-NAME.ID.core
    live: bool = False  #: it runs meanwhile
    crash: bool = False  #: destroy it afterwards
    reset: bool = False  #: destroy it and build it again afterwards


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/resume: bring a suspended managed domain back."""

    paused: bool = False  #: leave it paused
