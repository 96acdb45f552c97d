"""Parameters of Xen's schedulers. Which one schedules a domain is a matter of its cpupool."""

from __future__ import annotations

import msgspec


class VcpuScheduling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parameters of one VCPU; only rtds has them. Times in microseconds."""

    vcpu: int
    period_us: int = 0
    budget_us: int = 0  #: CPU time that it gets in each period
    extratime: bool = False  #: it may also have what nobody else wants


class DomainScheduling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parameters of one domain; None where its scheduler has no such parameter."""

    name: str
    domid: int | None = None
    uuid: str
    weight: int | None = None  #: share of CPU time, relative to other domains; 256 is usual
    cap: int | None = None  #: most CPU time, in percent of one CPU; 0: no limit
    period_us: int | None = None
    budget_us: int | None = None
    extratime: bool | None = None
    vcpus: tuple[VcpuScheduling, ...] = ()


class PoolScheduling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cpupool: its scheduler, the scheduler's parameters, its domains."""

    pool: int
    name: str
    scheduler: str  #: such as "credit2"
    timeslice_ms: int | None = None
    ratelimit_us: int | None = None  #: shortest time that a VCPU runs before another takes its place
    migration_delay_us: int | None = None
    domains: tuple[DomainScheduling, ...] = ()  #: sorted by name


class SchedulingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/scheduling: what is None stays as it is."""

    scheduler: str  #: refused unless the domain's scheduler is this one
    weight: int | None = None
    cap: int | None = None
    period_us: int | None = None
    budget_us: int | None = None
    extratime: bool | None = None
    vcpus: tuple[VcpuScheduling, ...] = ()  #: instead of the domain's own: each of these whole; rtds only
    persist: bool = False  #: keep it in the configuration of the managed domain, too


class PoolSchedulingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/cpupools/POOL/scheduling: what is None stays as it is."""

    scheduler: str  #: refused unless the cpupool's scheduler is this one
    timeslice_ms: int | None = None
    ratelimit_us: int | None = None
    migration_delay_us: int | None = None
