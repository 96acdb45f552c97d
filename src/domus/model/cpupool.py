"""Cpupools: sets of the host's CPUs, each with a scheduler and domains of its own."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from domus.model.errors import BadInput

# The set that xm allowed, less "/", which would be part of an address.
_NAME: Final = re.compile(r"[A-Za-z0-9_\-.:+]{1,128}")

#: those that a Xen may have, as libxl calls them; which of them it was built with is its own affair
SCHEDULERS: Final = ("credit", "credit2", "rtds", "null", "arinc653")


class CpupoolConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cpupool as it was asked for. Without `cpus` and `cpu_count` it gets one free CPU."""

    name: str
    scheduler: str = ""  #: one of SCHEDULERS; "": the host's
    cpus: str = ""  #: CPUs that it shall have, as in `0-3,^1` or `nodes:1`; "": any free ones
    cpu_count: int | None = None  #: how many free ones
    other: dict[str, str] = {}  #: xm's other_config, kept and shown


class CpupoolInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cpupool as it is."""

    name: str
    pool: int | None = None  #: its number in Xen; None: it is defined and not active
    uuid: str = ""
    scheduler: str
    cpus: tuple[int, ...] = ()  #: ascending
    domains: tuple[str, ...] = ()  #: names of its domains, sorted
    managed: bool = False  #: xend keeps its definition
    wanted: CpupoolConfig | None = None  #: that definition

    @property
    def is_active(self) -> bool:
        """Xen has it."""
        return self.pool is not None


class CpupoolCreateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/cpupools: make a cpupool."""

    config: CpupoolConfig
    managed: bool = False  #: define it, and do not start it


class CpusRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/cpupools/POOL/add-cpus and /remove-cpus: CPUs as in `0-3,^1` or `node:1`."""

    cpus: str


class RenameCpupoolRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/cpupools/POOL/rename."""

    name: str


class MoveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/cpupool: into which cpupool the domain goes, by name or number."""

    pool: str


def check_cpupool_name(name: str) -> str:
    """`name`, if a cpupool may be called so.

    Raises:
        BadInput: in xm's words, with a hint.
    """
    if not name:
        raise BadInput("Missing Pool Name")
    if not _NAME.fullmatch(name) or name.isdigit():
        raise BadInput(
            "Invalid Pool Name", where=name[:140], hint="letters, digits and _ - . : +, not digits only"
        )
    return name


def check_scheduler(name: str) -> str:
    """`name`, if it is a scheduler that Xen may have.

    Raises:
        BadInput: it is none.
    """
    if name not in SCHEDULERS:
        raise BadInput(f"unknown scheduler {name[:40]!r}", hint=f"one of {', '.join(SCHEDULERS)}")
    return name
