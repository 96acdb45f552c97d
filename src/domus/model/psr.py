"""Intel's resource director, as the API has it: shares of caches and of memory bandwidth."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Measured(StrEnum):
    """What of a domain's use can be measured."""

    CACHE = "cache-occupancy"
    TOTAL_BANDWIDTH = "total-mem-bandwidth"
    LOCAL_BANDWIDTH = "local-mem-bandwidth"


class Shared(StrEnum):
    """What a domain can be given a share of."""

    L3 = "l3"
    L3_CODE = "l3-code"
    L3_DATA = "l3-data"
    L2 = "l2"
    BANDWIDTH = "bandwidth"


class CacheSharing(msgspec.Struct, frozen=True, kw_only=True):
    """How one socket's cache of one level is shared out."""

    socket: int
    level: int
    cache_kib: int | None  #: None: not known
    classes: int  #: most different shares at once, Xen's own counted
    ways: int  #: bits of a mask
    code_and_data: bool  #: they have a mask each


class BandwidthSharing(msgspec.Struct, frozen=True, kw_only=True):
    """How one socket's memory bandwidth is shared out."""

    socket: int
    classes: int
    most: int  #: the largest throttle
    linear: bool  #: the throttle is a percentage


class PsrHardware(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/host/psr: what the host's CPUs can do; empty lists: they cannot."""

    measured: tuple[Measured, ...] = ()
    domains_measured_at_once: int = 0
    caches: tuple[CacheSharing, ...] = ()
    bandwidths: tuple[BandwidthSharing, ...] = ()


class PsrUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one domain uses, by socket: KiB of cache, or KiB/s of memory bandwidth."""

    name: str
    domid: int
    sockets: dict[int, int]


class PsrShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one domain may use, by socket: a mask of a cache's ways, or a throttle."""

    name: str
    domid: int
    sockets: dict[int, int]


class MeasureRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/psr/measuring: begin to measure a domain's use, or end that."""

    on: bool


class ShareRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/psr/share: what a domain may use from now on."""

    of: Shared
    value: int
    sockets: tuple[int, ...] = ()  #: none: all of the host
