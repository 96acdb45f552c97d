"""Soft reset: an HVM guest that has loaded another kernel (kexec) gets new devices and goes on."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from typing import Any

from domus.domains.build import Handle
from domus.domains.display import hide_passwords
from domus.domains.parts import Parts
from domus.model.domain import DomainInfo
from domus.model.operation import OperationState

log = logging.getLogger(__name__)


async def carry_out(parts: Parts, info: DomainInfo) -> bool:
    """Do it to a domain that has ended for it, and whose locks are held; False: it failed.

    libxl takes its devices away and plugs them anew, in the same domain (libxl_domain_soft_reset).
    """
    domid = info.domid or 0

    async def body(operation: Handle) -> None:
        async with operation.step("giving it new devices"):
            document = await parts.workers.call(parts.libxl.retrieve_config, domid)
            await parts.workers.call(_reset, parts, domid, document)
            await hide_passwords(parts.store, domid, info.uuid)
            await parts.workers.call(parts.libxl.unpause, domid)

    begun = await parts.operations.start(
        "soft-reset", domain=info.name, uuid=info.uuid, who="xend", body=body, cancellable=False
    )
    ended = await parts.operations.wait(begun.id)
    if ended.problem is not None:
        log.error("%s cannot be soft-reset, it is built anew: %s", info.name, ended.problem.title)
    return ended.state is OperationState.DONE


def _reset(parts: Parts, domid: int, document: dict[str, Any]) -> None:
    with ExitStack() as held:
        for disk in document.get("disks", ()):
            path = str(disk.get("pdev_path") or "")
            if path.startswith("/dev/loop"):
                # It would detach by itself once its backend is gone, before the next one opens it.
                held.callback(os.close, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        parts.libxl.soft_reset(domid, document)
