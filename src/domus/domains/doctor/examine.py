"""The examination: facts first, then the checks one after the other."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from domus.domains.doctor import administration, leftovers, platform, surroundings
from domus.domains.doctor.facts import Facts, Files
from domus.domains.host import virt_caps
from domus.domains.parts import Parts
from domus.domains.stored import Stored
from domus.model.doctor import Examination, Finding, examination

#: what is looked at, by name, in order
CHECKS: Final[dict[str, Callable[[Facts], Iterator[Finding]]]] = {
    "cpu": platform.cpu,
    "hypervisor": platform.hypervisor,
    "kernel": platform.kernel,
    "daemons": platform.daemons,
    "bridges": surroundings.bridges,
    "storage": surroundings.storage,
    "leftovers": leftovers.leftovers,
    "interference": surroundings.interference,
    "security": surroundings.security,
    "settings": administration.settings,
}

_BACKENDS: Final = "/local/domain/0/backend"

#: the newest of them on a busy host; a guest that grows its own part of XenStore must not keep us busy
_NODES_LIMIT: Final = 10_000

_DEVICE: Final = re.compile(r"[0-9a-f]{1,8}:[0-9a-f]{1,8}")


class Doctor:
    """Examines the host that this xend runs on. For the event loop."""

    def __init__(self, parts: Parts, stored: Stored) -> None:
        self._parts = parts
        self._stored = stored

    async def examine(self, *, socket: Path, tls_dir: Path, state_dir: Path) -> Examination:
        """Look at everything; changes nothing.

        Raises:
            LibxlError, XenStoreError: Xen does not answer at all.
        """
        facts = await self._facts(socket=str(socket), tls_dir=str(tls_dir), state_dir=str(state_dir))
        found = await asyncio.to_thread(findings, facts)
        return examination(os.uname().nodename, found)

    async def _facts(self, *, socket: str, tls_dir: str, state_dir: str) -> Facts:
        parts = self._parts
        files = Files()
        # XenStore before Xen: what is made meanwhile is then in Xen's list, and no leftover.
        backends, disks = await self._backends()
        store_domids = await parts.store.list("/local/domain") or []
        store_vms = await parts.store.list("/vm") or []
        physical = await parts.workers.call(parts.libxl.physinfo)
        version = await parts.workers.call(parts.libxl.version)
        return Facts(
            files=files,
            domains=await parts.listing.list(),
            version=version,
            physical=physical,
            virt_caps=virt_caps(physical),
            processes=await asyncio.to_thread(files.processes),
            backends=backends,
            store_domids=store_domids[:_NODES_LIMIT],
            store_vms=store_vms[:_NODES_LIMIT],
            dom0_name=await parts.store.read_text("/local/domain/0/name"),
            disks_in_use=disks,
            stores=(await self._stored.report()).stores,
            socket=socket,
            tls_dir=tls_dir,
            state_dir=state_dir,
            kept=frozenset(kept.uuid for kept in parts.kept),
        )

    async def _backends(self) -> tuple[dict[str, list[str]], frozenset[str]]:
        store = self._parts.store
        found = {
            kind: (await store.list(f"{_BACKENDS}/{kind}") or [])[:_NODES_LIMIT]
            for kind in await store.list(_BACKENDS) or []
        }
        paths = [
            f"{_BACKENDS}/vbd/{domid}/{devid}/physical-device"
            for domid in found.get("vbd", [])
            for devid in await store.list(f"{_BACKENDS}/vbd/{domid}") or []
        ]
        values = await store.read_many(paths[:_NODES_LIMIT])
        texts = ((value or b"").decode("ascii", "replace") for value in values)
        return found, frozenset(text for text in texts if _DEVICE.fullmatch(text))


def findings(facts: Facts) -> dict[str, list[Finding]]:
    """What each check finds, by its name."""
    return {name: list(check(facts)) for name, check in CHECKS.items()}
