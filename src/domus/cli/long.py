"""`xm list --long`: a `(domain ...)` form in SXP of each domain, as xend gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from domus.config.sxp.printer import pretty
from domus.config.sxp.writing import domain_tree
from domus.model.config import GuestType
from domus.model.domain import RunState, ShutdownReason
from domus.model.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domus.client import Client
    from domus.model.config import DomainConfig
    from domus.model.domain import DomainInfo

#: xend's numbers; 3 is suspended
_STATUS: Final = {
    RunState.HALTED: 0,
    RunState.PAUSED: 1,
    RunState.RUNNING: 2,
    RunState.BLOCKED: 2,
    RunState.SHUTDOWN: 4,
    RunState.DYING: 4,
    RunState.CRASHED: 5,
    RunState.SUSPENDED: 3,
}
_SUSPENDED: Final = 3

#: how SXP calls the kinds of guests, as the head of their images
_BUILDERS: Final = {GuestType.PV: "linux", GuestType.PVH: "pvh", GuestType.HVM: "hvm"}


def long_list(client: Client, domains: Iterable[DomainInfo]) -> str:
    """One form per domain, nothing between them."""
    return "".join(pretty(form(domain, _kept(client, domain))) for domain in domains)


def _kept(client: Client, domain: DomainInfo) -> DomainConfig | None:
    """The configuration that xend keeps; None: it has none, as of domain 0 and of those that xl made."""
    if domain.domid == 0:
        return None
    try:
        return client.config(domain.uuid)
    except NotFound:
        return None


def form(domain: DomainInfo, config: DomainConfig | None) -> list[Any]:
    """The nested lists of one domain, of what Xen alone says if there is no configuration."""
    before = [] if domain.domid is None else [["domid", domain.domid]]
    if config is None:
        return ["domain", *before, *_known_to_xen(domain), *_state(domain)]
    pool = config.cpupool if domain.domid is None else domain.cpupool
    config = msgspec.structs.replace(config, name=domain.name, uuid=domain.uuid, cpupool=pool)
    tree = domain_tree(config, head="domain", before=before, after=_state(domain))
    image = next(place for place, entry in enumerate(tree) if entry[0] == "image")
    return [*tree[:image], *_used(domain), *tree[image:]]


def _known_to_xen(domain: DomainInfo) -> list[list[Any]]:
    """What a configuration would say, as far as it is known without one, in the same order."""
    label = [["security_label", domain.security_label]] if domain.security_label else []
    return [
        ["name", domain.name],
        ["memory", domain.shown_memory_mib],
        *([["maxmem", domain.max_kib // 1024]] if domain.max_kib else []),
        ["vcpus", domain.max_vcpus or domain.vcpus],
        ["uuid", domain.uuid],
        ["pool_name", domain.cpupool],
        *_used(domain),
        *label,
        ["image", [_BUILDERS[domain.guest_type]]],
    ]


def _used(domain: DomainInfo) -> list[list[Any]]:
    """What it has used; nothing of a domain that does not run."""
    if domain.domid is None:
        return []
    return [["cpu_time", round(domain.cpu_time_ns / 1e9, 3)], ["online_vcpus", domain.vcpus]]


def _state(domain: DomainInfo) -> list[list[Any]]:
    differs = [["differs", list(domain.differing)]] if domain.differing else []
    suspended = domain.shutdown and domain.shutdown_reason is ShutdownReason.SUSPEND
    status = ["status", _SUSPENDED if suspended else _STATUS[domain.state]]
    return [status] if domain.domid is None else [status, ["state", domain.state_letters], *differs]
