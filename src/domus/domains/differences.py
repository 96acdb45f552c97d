"""What differs between a domain that runs and the configuration that is kept for its next start."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from domus.model.config import DomainConfig, GuestType
from domus.model.domain import DomainInfo
from domus.model.managed import Difference


def between(kept: DomainConfig, running: DomainConfig, info: DomainInfo) -> list[Difference]:
    """The fields that differ; a limit that is not said is none that could differ.

    Args:
        kept: what its next start uses.
        running: what this boot was made from.
        info: what Xen says of it now: its memory may have been changed since.
    """
    now = _most(as_it_runs(running, info))
    kept = _following(kept, now)
    return [
        Difference(field=field, kept=_text(getattr(kept, field)), running=_text(getattr(now, field)))
        for field in kept.__struct_fields__
        if getattr(kept, field) != getattr(now, field)
    ]


def fields(kept: DomainConfig, running: DomainConfig, info: DomainInfo) -> tuple[str, ...]:
    """The names of the fields that differ: () for nearly every domain, and quick then."""
    now = as_it_runs(running, info)
    return () if kept == now else tuple(each.field for each in between(kept, running, info))


def as_it_runs(running: DomainConfig, info: DomainInfo) -> DomainConfig:
    """`running` with the memory that the domain is asked to have now; itself when that is the same."""
    target_mib = info.target_kib // 1024
    # Of an HVM guest's target libxl keeps the video memory back (libxl_dom.c, libxl__get_targetmem_fudge).
    # VCPUs that a guest has not brought up yet are offline too, so their number says nothing here.
    if running.guest_type is GuestType.HVM or target_mib in (0, running.memory_mib):
        return running
    return replace(
        running, memory_mib=target_mib, maxmem_mib=max(target_mib, running.maxmem_mib or running.memory_mib)
    )


def _following(kept: DomainConfig, now: DomainConfig) -> DomainConfig:
    """`kept`, where what it leaves to follow the memory or the VCPUs is as it is now."""
    maxmem, maxvcpus = kept.maxmem_mib or now.maxmem_mib, kept.maxvcpus or now.maxvcpus
    return replace(kept, maxmem_mib=maxmem, maxvcpus=maxvcpus)


def _most(running: DomainConfig) -> DomainConfig:
    """`running` with all that it was made to grow to."""
    maxmem, maxvcpus = running.maxmem_mib or running.memory_mib, running.maxvcpus or running.vcpus
    return replace(running, maxmem_mib=maxmem, maxvcpus=maxvcpus)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
