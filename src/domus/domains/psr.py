"""Shares of caches and memory bandwidth, where the CPUs can share them out (Intel's resource director).

Source: xen docs/misc/xl-psr.pandoc; libxl_types.idl (libxl_psr_cmt_type, libxl_psr_cbm_type).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from domus.model.errors import BadInput, HostProblem, LibxlError
from domus.model.psr import (
    BandwidthSharing,
    CacheSharing,
    Measured,
    PsrHardware,
    PsrShare,
    PsrUse,
    Shared,
)

if TYPE_CHECKING:
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo

P = ParamSpec("P")
T = TypeVar("T")

_MEASURED: Final = {Measured.CACHE: 1, Measured.TOTAL_BANDWIDTH: 2, Measured.LOCAL_BANDWIDTH: 3}
_SHARED: Final = {Shared.L3: 1, Shared.L3_CODE: 2, Shared.L3_DATA: 3, Shared.L2: 4, Shared.BANDWIDTH: 5}
_CAT: Final = 1  #: libxl_psr_feat_type
_MBA: Final = 2
_LEVELS: Final = (3, 2)
_BETWEEN_SAMPLES: Final = 0.01  #: s, as xl has it


class Psr:
    """For the event loop. Everything but `hardware` raises HostProblem where the CPUs cannot do it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._libxl = parts.libxl

    async def hardware(self) -> PsrHardware:
        """What the host's CPUs can do."""
        return await self._parts.workers.call(self._hardware)

    async def measure(self, reference: str, *, on: bool) -> None:
        """Begin to measure a domain's use, or end that. Raises DomainNotFound, WrongState."""
        _, domid = await self._parts.started(reference)
        await self._asked(self._libxl.psr_measure, domid, on=on)

    async def uses(self, kind: Measured, reference: str | None = None) -> list[PsrUse]:
        """What the measured domains use, or one of them. Raises DomainNotFound, WrongState."""
        infos = await self._chosen(reference)
        return await self._asked(self._uses, kind, infos, measured_only=reference is None)

    async def shares(self, kind: Shared, reference: str | None = None) -> list[PsrShare]:
        """What domains may use, or one of them. Raises DomainNotFound, WrongState."""
        return await self._asked(self._shares, kind, await self._chosen(reference))

    async def share(self, reference: str, kind: Shared, value: int, sockets: tuple[int, ...]) -> None:
        """Let a domain use that share from now on; of no sockets: of all of the host's.

        Raises:
            DomainNotFound, WrongState (it has ended).
            BadInput: no such socket, or no such share.
        """
        _, domid = await self._parts.started(reference)
        known = await self._parts.workers.call(self._sockets)
        if strange := {*sockets} - {*known}:
            raise BadInput(f"the host has no socket {min(strange)}", hint=f"it has {len(known)}")
        if not 0 <= value < 1 << 64:
            raise BadInput(f"{value} is no share")
        chosen = sockets or tuple(known)
        await self._asked(self._libxl.set_psr_share, domid, _SHARED[kind], chosen, value)

    async def _asked(self, function: Callable[P, T], /, *words: P.args, **named: P.kwargs) -> T:
        try:
            return await self._parts.workers.call(function, *words, **named)
        except LibxlError as error:
            hint = "xm psr-hwinfo says what the host's CPUs can do"
            raise HostProblem(error.what, hint=error.hint or hint) from error

    async def _chosen(self, reference: str | None) -> list[DomainInfo]:
        if reference is None:
            return [info for info in await self._parts.listing.list() if info.domid is not None]
        info, _ = await self._parts.started(reference)
        return [info]

    def _sockets(self) -> list[int]:
        from domus.domains.topology import host_topology

        return sorted({cpu.socket for cpu in host_topology(self._libxl).cpus})

    def _hardware(self) -> PsrHardware:
        measured = tuple(kind for kind, number in _MEASURED.items() if self._libxl.psr_monitors(number))
        caches = [cache for level in _LEVELS for cache in self._caches(level)]
        bandwidths = []
        with suppress(LibxlError):  # these CPUs cannot
            for each in self._libxl.psr_hardware(_MBA, 0):
                about = each.get("type.mba", {})
                bandwidths.append(
                    BandwidthSharing(
                        socket=each.get("id", 0),
                        classes=about.get("cos_max", 0),
                        most=about.get("thrtl_max", 0),
                        linear=bool(about.get("linear")),
                    )
                )
        return PsrHardware(
            measured=measured,
            domains_measured_at_once=self._libxl.psr_rmids() if measured else 0,
            caches=tuple(caches),
            bandwidths=tuple(bandwidths),
        )

    def _caches(self, level: int) -> list[CacheSharing]:
        try:
            found = self._libxl.psr_hardware(_CAT, level)
        except LibxlError:
            return []  # these CPUs cannot
        return [self._cache(level, each) for each in found]

    def _cache(self, level: int, each: dict[str, Any]) -> CacheSharing:
        about, size = each.get("type.cat", {}), None
        if level == max(_LEVELS):
            with suppress(LibxlError):
                size = self._libxl.psr_cache_kib(each.get("id", 0))
        return CacheSharing(
            socket=each.get("id", 0),
            level=level,
            cache_kib=size,
            classes=about.get("cos_max", 0),
            ways=about.get("cbm_len", 0),
            code_and_data=bool(about.get("cdp_enabled")),
        )

    def _uses(self, kind: Measured, infos: list[DomainInfo], *, measured_only: bool) -> list[PsrUse]:
        if not self._libxl.psr_monitors(_MEASURED[kind]):
            raise HostProblem(f"the host's CPUs do not measure {kind}")
        found = []
        for info in infos:
            domid = info.domid or 0
            if not measured_only or self._libxl.psr_is_measured(domid):
                sockets = {socket: self._use(domid, kind, socket) for socket in self._sockets()}
                found.append(PsrUse(name=info.name, domid=domid, sockets=sockets))
        return found

    def _use(self, domid: int, kind: Measured, socket: int) -> int:
        before, begun = self._libxl.psr_sample(domid, _MEASURED[kind], socket), time.monotonic()
        if kind is Measured.CACHE:
            return before >> 10
        time.sleep(_BETWEEN_SAMPLES)
        moved = self._libxl.psr_sample(domid, _MEASURED[kind], socket) - before
        return int(moved / 1024 / (time.monotonic() - begun))

    def _shares(self, kind: Shared, infos: list[DomainInfo]) -> list[PsrShare]:
        found, sockets = [], self._sockets()
        for info in infos:
            domid = info.domid or 0
            shares = {socket: self._libxl.psr_share(domid, _SHARED[kind], socket) for socket in sockets}
            found.append(PsrShare(name=info.name, domid=domid, sockets=shares))
        return found
