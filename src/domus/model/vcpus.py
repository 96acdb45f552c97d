"""VCPUs of domains: where they run, and where they may."""

from __future__ import annotations

import msgspec


class Vcpu(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One VCPU, as it was when the host was asked."""

    vcpu: int
    cpu: int | None = None  #: the host's CPU on which it is, or was last; None: it is offline
    online: bool = False
    blocked: bool = False  #: it waits for an event
    running: bool = False  #: it is on its CPU at this moment
    time_ns: int = 0  #: CPU time used, in nanoseconds
    affinity: tuple[int, ...] = ()  #: the host's CPUs on which it may run, ascending
    soft_affinity: tuple[int, ...] = ()  #: those of them on which it prefers to run


class DomainVcpus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The VCPUs of one domain."""

    name: str
    domid: int | None = None  #: None: not running now; its VCPUs are those that it would have
    uuid: str
    vcpus: tuple[Vcpu, ...] = ()


class VcpuTable(msgspec.Struct, frozen=True, kw_only=True):
    """What `xm vcpu-list` shows."""

    cpus: tuple[int, ...]  #: the host's CPUs, ascending
    domains: tuple[DomainVcpus, ...]  #: sorted by name


class PinRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/vcpus/pin: where VCPUs may run.

    CPUs are written as in configuration files: `0-3,^1`, `all`, `nodes:0-1,^node:1`.
    """

    vcpu: int | None = None  #: None: all of the domain's
    hard: str | None = None  #: where it may run; None: as it is
    soft: str | None = None  #: where it prefers to run; None: as it is
    force: bool = False  #: also when Xen has pinned it for a while
    persist: bool = False  #: keep it in the configuration of the managed domain, too


class OnlineRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/vcpus: how many of its VCPUs shall be online, the first ones."""

    online: int
    persist: bool = False  #: keep it in the configuration of the managed domain, too
