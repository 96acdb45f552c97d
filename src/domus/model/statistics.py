"""What domains use: counters that only grow, so that the reader chooses the interval of a rate."""

from __future__ import annotations

import msgspec

from domus.model.domain import DomainInfo


class NicCounters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A card's traffic since it was plugged, as the guest sees it: received is what came to the guest."""

    devid: int
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0


class DiskCounters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A disk's requests since it was plugged; sectors have 512 bytes."""

    devid: int  #: xen-vbd-interface(7): 51712 is xvda
    read_requests: int = 0
    write_requests: int = 0
    read_sectors: int = 0
    write_sectors: int = 0
    waits: int = 0  #: times a request had to wait because blkback had no free one
    failed: int = 0  #: requests that failed; QEMU's disks only, blkback does not count them


class DomainStatistics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One domain: what it is and has now, with its CPU time, and what its devices have carried."""

    domain: DomainInfo
    nics: tuple[NicCounters, ...] = ()  #: by devid
    disks: tuple[DiskCounters, ...] = ()  #: by devid; of Linux' blkback and of QEMU


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/statistics: all domains at one moment."""

    taken_ns: int  #: nanoseconds of a clock that never jumps: only differences mean something
    time: float  #: seconds since 1970
    host: str
    xen_version: str
    cpus: int  #: physical CPUs that Xen uses
    cpu_mhz: float
    total_kib: int  #: KiB of memory that Xen has
    free_kib: int  #: KiB of it that no domain has
    domains: tuple[DomainStatistics, ...]  #: by name
