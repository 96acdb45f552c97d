"""Domains as Xen has them: one call to libxl for all of them, names and targets from XenStore.

Names and memory targets change rarely and are looked at often. They are remembered as long as no watch
says that they changed, so that listing costs nothing per domain but the reading of libxl's answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from domus.domains.worker import Workers
from domus.model.config import GuestType
from domus.model.domain import DomainInfo, RunState, ShutdownReason
from domus.xen.libxl import Libxl
from domus.xen.xenstore import Watch, XenStore

Dominfo = Mapping[str, Any]
_Others = tuple[str | None, int, str, str]  # name, target in KiB, type, cpupool

_NAME_LIMIT: Final = 256  # bytes shown of a name that somebody else gave

_REASONS: Final = {str(reason): reason for reason in ShutdownReason}


class _Labels:
    """Name, memory target and kind of one boot of a domain, and the watches that tell when they change."""

    def __init__(self, store: XenStore, domid: int) -> None:
        self.name: str | None = None
        self.target_kib = 0
        self.kind = ""  #: "" when libxl did not make it
        self._store = store
        self._paths = (f"/local/domain/{domid}/name", f"/local/domain/{domid}/memory/target")
        # What libxl's own dominfo says is "hvm" for a PVH guest too: Xen does not know the difference.
        self._kind_path = f"/libxl/{domid}/type"
        self._watches: tuple[Watch, ...] = tuple(store.watch(path) for path in self._paths)

    async def begin(self) -> None:
        await asyncio.gather(*(watch.__aenter__() for watch in self._watches))
        for watch in self._watches:
            await watch.changes()  # which it begins with: it is no news afterwards

    def end(self) -> None:
        for watch in self._watches:
            self._store.stop_watch(watch)

    def has_changed(self) -> bool:
        changed = [watch.take() for watch in self._watches]  # each of them, so that none is old news later
        return any(changed)

    async def read(self) -> None:
        name, target, kind = await self._store.read_many((*self._paths, self._kind_path))
        self.kind = _text(kind)
        self.name = _text(name) or None
        text = _text(target)
        self.target_kib = int(text) if text.isascii() and text.isdecimal() else 0


class Listing:
    """All domains of this host. For the event loop."""

    def __init__(self, store: XenStore, libxl: Libxl, workers: Workers) -> None:
        self._store = store
        self._libxl = libxl
        self._workers = workers
        self._labels: dict[tuple[int, str], _Labels] = {}
        self._cpupools: dict[int, str] = {}
        self._cpupools_watch: Watch | None = None
        self._reading = asyncio.Lock()
        #: by domid, what a domain's info was made from, and the info
        self._infos: dict[int, tuple[Dominfo, _Others, DomainInfo]] = {}

    async def list(self) -> list[DomainInfo]:
        """All domains, sorted by name as bytes are."""
        found = await self._workers.call(self._libxl.list_domains)
        await self._refresh({(each["domid"], each["uuid"]) for each in found})
        await self._forget_renamed_cpupools()
        pools = {each.get("cpupool", 0) for each in found} - self._cpupools.keys()
        for pool in pools:
            name = await self._workers.call(self._libxl.cpupool_name, pool)
            self._cpupools[pool] = name or f"Pool-{pool}"
        infos = [self._info(each) for each in found]
        for domid in self._infos.keys() - {each["domid"] for each in found}:
            del self._infos[domid]
        return sorted(infos, key=lambda info: info.name.encode())

    async def _forget_renamed_cpupools(self) -> None:
        if self._cpupools_watch is None:
            self._cpupools_watch = self._store.watch("/local/pool")
            await self._cpupools_watch.__aenter__()
        if self._cpupools_watch.take():
            self._cpupools.clear()

    async def _refresh(self, present: set[tuple[int, str]]) -> None:
        async with self._reading:
            for gone in self._labels.keys() - present:
                self._labels.pop(gone).end()
            fresh = {key: _Labels(self._store, key[0]) for key in present - self._labels.keys()}
            await asyncio.gather(*(labels.begin() for labels in fresh.values()))
            self._labels |= fresh
            changed = [
                labels for labels in self._labels.values() if labels.name is None or labels.has_changed()
            ]
            await asyncio.gather(*(labels.read() for labels in changed))

    def _info(self, found: Dominfo) -> DomainInfo:
        domid = found["domid"]
        labels = self._labels.get((domid, found["uuid"]))
        pool = self._cpupools.get(found.get("cpupool", 0), "Pool-0")
        others: _Others = (None, 0, "", pool)
        if labels is not None:
            others = (labels.name, labels.target_kib, labels.kind, pool)
        known = self._infos.get(domid)
        if known is not None and known[0] is found and known[1] == others:
            return known[2]
        made = info(found, name=others[0], target_kib=others[1], kind=others[2], cpupool=pool)
        self._infos[domid] = (found, others, made)
        return made


def info(found: Dominfo, *, name: str | None, target_kib: int, cpupool: str, kind: str = "") -> DomainInfo:
    """A domain from libxl's dominfo (fields that are 0 or False may be absent in its JSON).

    Args:
        kind: its type as libxl's nodes say; "": as the dominfo has it.
    """
    flags: dict[str, Any] = {
        key: bool(found.get(key)) for key in ("running", "blocked", "paused", "shutdown", "dying")
    }
    reason = _reason(found) if flags["shutdown"] else ShutdownReason.NONE
    domid = int(found["domid"])
    kind = kind or str(found.get("domain_type", "pv"))
    return DomainInfo(
        name=name or f"Domain-{domid}",  # being built or taken away: it has no name at that moment
        domid=domid,
        uuid=str(found["uuid"]),
        guest_type=GuestType(kind) if kind in {"pv", "pvh", "hvm"} else GuestType.PV,
        state=_state(flags, reason),
        shutdown_reason=reason,
        memory_kib=int(found.get("current_memkb", 0)) + int(found.get("outstanding_memkb", 0)),
        target_kib=target_kib,
        max_kib=int(found.get("max_memkb", 0)),
        vcpus=int(found.get("vcpu_online", 0)),
        max_vcpus=int(found.get("vcpu_max_id", 0)) + 1,
        cpu_time_ns=int(found.get("cpu_time", 0)),
        cpupool=cpupool,
        security_label=str(found.get("ssid_label") or ""),
        problem="",
        **flags,
    )


def _reason(found: Dominfo) -> ShutdownReason:
    return _REASONS.get(str(found.get("shutdown_reason")), ShutdownReason.UNKNOWN)


def _state(flags: Mapping[str, bool], reason: ShutdownReason) -> RunState:
    """One word for flags that Xen sets independently: the one that matters most."""
    if flags["dying"]:
        return RunState.DYING
    if flags["shutdown"]:
        return RunState.CRASHED if reason is ShutdownReason.CRASH else RunState.SHUTDOWN
    if flags["paused"]:
        return RunState.PAUSED
    return RunState.RUNNING if flags["running"] else RunState.BLOCKED


def _text(raw: bytes | None) -> str:
    text = (raw or b"")[:_NAME_LIMIT].decode("utf-8", "replace")
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)
