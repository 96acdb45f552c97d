"""Domains as Xen has them now: what `xm list` shows and the API returns."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class GuestType(StrEnum):
    """How a guest is virtualized (libxl_domain_type)."""

    PV = "pv"
    PVH = "pvh"
    HVM = "hvm"


class RunState(StrEnum):
    """What a domain is doing, in one word; the letter is its place in `xm list`'s State column."""

    RUNNING = "running"  #: r: on a CPU at this moment
    BLOCKED = "blocked"  #: b: waiting for an event; the usual state of an idle guest
    PAUSED = "paused"  #: p: its VCPUs do not run until it is unpaused
    SHUTDOWN = "shutdown"  #: s: it ended itself and waits to be taken away
    CRASHED = "crashed"  #: c: it ended by a crash
    DYING = "dying"  #: d: being destroyed, some of its pages are still held
    HALTED = "halted"  #: managed, nothing of it in Xen
    SUSPENDED = "suspended"  #: managed, nothing of it in Xen, its memory on xend's disk


class ShutdownReason(StrEnum):
    """Why a domain ended itself (xen/include/public/sched.h, SHUTDOWN_*; spelled as libxl's JSON)."""

    NONE = "none"  #: it has not
    POWEROFF = "poweroff"
    REBOOT = "reboot"
    SUSPEND = "suspend"
    CRASH = "crash"
    WATCHDOG = "watchdog"
    SOFT_RESET = "soft_reset"
    UNKNOWN = "unknown"  #: a number that this version does not know


class DomainInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One domain, as it was when the host was asked."""

    name: str
    domid: int | None = None  #: None: not running now
    uuid: str
    guest_type: GuestType = GuestType.PV
    state: RunState
    #: the flags behind `state`, which Xen sets independently of each other
    running: bool = False
    blocked: bool = False
    paused: bool = False
    shutdown: bool = False
    dying: bool = False
    shutdown_reason: ShutdownReason = ShutdownReason.NONE
    memory_kib: int = 0  #: KiB it owns now, as Xen counts
    target_kib: int = 0  #: KiB its balloon is asked to reach; 0 when nobody asked
    max_kib: int = 0  #: KiB it may own at the most
    vcpus: int = 0  #: VCPUs online
    max_vcpus: int = 0  #: VCPUs it has, online or not
    cpu_time_ns: int = 0  #: CPU time used since its start, in nanoseconds
    cpupool: str = "Pool-0"
    security_label: str = ""
    managed: bool = False  #: xend keeps its configuration
    differs: bool = False  #: it runs with another configuration than the one that is kept for its next start
    differing: tuple[str, ...] = ()  #: the fields in which it does, such as "memory_mib"
    problem: str = ""  #: why xend no longer restarts it; empty when all is well

    @property
    def shown_memory_mib(self) -> int:
        """MiB as `xm list` shows them: the balloon's target, as xm always did, else what it owns.

        Of an HVM guest that runs what it owns: libxl takes video memory out of the target that it is told.
        """
        if self.guest_type is GuestType.HVM and self.domid is not None:
            return self.memory_kib // 1024
        return (self.target_kib or self.memory_kib) // 1024

    @property
    def state_letters(self) -> str:
        """The six letters of `xm list`, ten blanks when it does not run.

        A crashed domain has `c` only: Xen's libxc took the `s` away, and scripts rely on it.
        """
        if self.domid is None:
            return " " * 10
        crashed = self.shutdown and self.shutdown_reason is ShutdownReason.CRASH
        flags = (
            ("r", self.running),
            ("b", self.blocked),
            ("p", self.paused),
            ("s", self.shutdown and not crashed),
            ("c", crashed),
            ("d", self.dying),
        )
        return "".join(letter if on else "-" for letter, on in flags)
