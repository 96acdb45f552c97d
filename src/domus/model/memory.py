"""Memory of running domains."""

from __future__ import annotations

import msgspec


class MemoryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/memory: what is None stays as it is."""

    target_mib: int | None = None  #: MiB that its balloon shall reach
    max_mib: int | None = None  #: MiB that it may own at the most
    persist: bool = False  #: keep it in the configuration of the managed domain, too


class MemoryUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `xm sharing` and `xm claims` show of one domain. Memory in KiB."""

    name: str
    domid: int
    uuid: str
    memory_kib: int = 0  #: it owns, those included that it still has claimed
    shared_kib: int = 0  #: of it shared with other domains, by Xen's memory sharing
    claimed_kib: int = 0  #: reserved for it while it is built
