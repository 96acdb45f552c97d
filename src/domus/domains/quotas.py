"""XenStore's quotas: what guests may have there, of all or of one, and what one has.

xenstored of Xen 4.22 has requests for them; before, it knows only quotas for all guests, and its control
command "quota" shows and sets these, and what a domain uses.

Source: Xen docs/misc/xenstore.txt (GET_QUOTA, SET_QUOTA; CONTROL, "quota"), tools/xenstored/control.c.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from domus.model.errors import BadInput, HostProblem, XenStoreError
from domus.model.quotas import Quota

if TYPE_CHECKING:
    from domus.domains.parts import Parts

#: Xen whose xenstored has quotas of single domains
_SINCE: Final = (4, 22)
#: seconds: an oxenstored that does not know a request never answers it
_WITHIN: Final = 10.0
_MOST: Final = (1 << 31) - 1

#: "nodes            :     1000 Nodes per domain", "nodes            :       17 (max       17)"
_LINE: Final = re.compile(r"(?P<name>[a-z][a-z-]*) *: *(?P<value>\d+) *(?P<what>.*)")


class Quotas:
    """For the event loop. Everything raises HostProblem where xenstored does not let it be done."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    async def of_all(self) -> list[Quota]:
        """What each guest may have, if nothing else is said of it."""
        try:
            async with asyncio.timeout(_WITHIN):
                return parse(await self._store.control("quota"))
        except (XenStoreError, TimeoutError) as error:
            raise HostProblem("this xenstored does not tell its quotas", hint="C xenstored does") from error

    async def of(self, reference: str) -> list[Quota]:
        """What a domain may have, and has.

        Raises:
            DomainNotFound, WrongState (it does not run).
        """
        info, domid = await self._parts.started(reference)
        quotas = await self.of_all()
        try:
            async with asyncio.timeout(_WITHIN):
                said = parse(await self._store.control("quota", str(domid)))
                own = await self._own(domid, quotas)
        except (XenStoreError, TimeoutError) as error:
            raise HostProblem(f"xenstored does not tell the quotas of {info.name}") from error
        used = {each.name: each.value for each in said}
        return [
            replace(each, value=own.get(each.name, each.value), used=used.get(each.name)) for each in quotas
        ]

    async def set(self, values: dict[str, int], reference: str | None = None) -> None:
        """Set quotas: all of them, or none where one cannot be.

        Raises:
            DomainNotFound, WrongState (it does not run).
            BadInput: there is no such quota, or no such value.
            HostProblem: also for one domain before Xen 4.22.
        """
        domid = None if reference is None else (await self._parts.started(reference))[1]
        if domid is not None and not await self._knows_domains():
            raise HostProblem(
                "XenStore has no quotas of single domains before Xen 4.22",
                hint="with -g it is set for all guests",
            )
        before = {each.name: each.value for each in await self._present(reference)}
        lowest = 1 if domid is None else 0  # xenstored's control command takes no 0
        for name, value in values.items():
            if name not in before:
                raise BadInput(f"XenStore has no quota {name[:40]!r}", hint=f"it has {', '.join(before)}")
            if not lowest <= value <= _MOST:
                raise BadInput(f"quota {name} cannot be {value}", hint=f"{lowest} to {_MOST}")
        done: list[str] = []
        try:
            for name, value in values.items():
                await self._set(domid, name, value)
                done.append(name)
        except (XenStoreError, TimeoutError) as error:
            for each in done:
                await self._set(domid, each, before[each])
            raise HostProblem(f"xenstored does not set quota {name}") from error

    async def _present(self, reference: str | None) -> list[Quota]:
        return await (self.of_all() if reference is None else self.of(reference))

    async def _set(self, domid: int | None, name: str, value: int) -> None:
        async with asyncio.timeout(_WITHIN):
            if domid is None:
                await self._store.control("quota", "set", name, str(value))
            else:
                await self._store.set_quota(domid, name, value)

    async def _own(self, domid: int, quotas: list[Quota]) -> dict[str, int]:
        """The quotas of one domain, where it can have its own."""
        if not await self._knows_domains():
            return {}
        return {each.name: await self._store.quota(domid, each.name) for each in quotas}

    async def _knows_domains(self) -> bool:
        version = await self._parts.workers.call(self._parts.libxl.version)
        return (int(version["xen_version_major"]), int(version["xen_version_minor"])) >= _SINCE


def parse(text: str) -> list[Quota]:
    """What xenstored's control command "quota" says."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return [Quota(name=each["name"], value=int(each["value"]), what=each["what"]) for each in found if each]
