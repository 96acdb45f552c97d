"""What can be said to a domain that runs: stop, go on, end."""

from __future__ import annotations

import logging

from domus.domains.events import EventKind
from domus.domains.parts import Parts
from domus.model.api import ShutdownKind
from domus.model.domain import DomainInfo
from domus.model.errors import Forbidden, LibxlError, WrongState
from domus.model.names import DOM0

log = logging.getLogger(__name__)


class Acting:
    """Short requests, each done when it returns. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def pause(self, reference: str, *, who: str) -> None:
        """Stop a domain's VCPUs; fine if they are stopped.

        Raises:
            DomainNotFound, Forbidden (domain 0), WrongState (it has ended), Busy.
        """
        info, domid = await self._parts.alive(reference, "pause")
        with self._parts.locks.hold(info.uuid, domain=info.name, doing="it is being paused"):
            await self._parts.builder.pause(domid)
        self._parts.tell(EventKind.DOMAIN_PAUSED, info, who=who)

    async def unpause(self, reference: str, *, who: str) -> None:
        """Let a domain's VCPUs run; fine if they do. As `pause`."""
        info, domid = await self._parts.alive(reference, "unpause")
        with self._parts.locks.hold(info.uuid, domain=info.name, doing="it is being unpaused"):
            await self._parts.builder.unpause(info.uuid, domid)
        self._parts.tell(EventKind.DOMAIN_UNPAUSED, info, who=who)

    async def shutdown(self, reference: str, kind: ShutdownKind, *, who: str) -> None:
        """Ask the guest to end; returns at once, and the guest may take its time or not listen at all.

        Raises:
            DomainNotFound, Busy.
            Forbidden: domain 0.
            WrongState: it has ended, or no driver in it listens to such requests.
        """
        info = await self._parts.get(reference)
        if info.domid is None:
            raise WrongState(f"Domain '{info.name}' is not started")
        if info.domid == DOM0:
            raise Forbidden("Domain 0 cannot be shutdown")
        if info.shutdown or info.dying:
            raise WrongState("Domain cannot be shutdown", hint=f"'{info.name}' has ended already")
        with self._parts.locks.hold(info.uuid, domain=info.name, doing="it is being asked to shut down"):
            await self._ask_to_end(info, info.domid, kind)
        log.info("%s asked to %s by %s", info.name, kind, who)

    async def _ask_to_end(self, info: DomainInfo, domid: int, kind: ShutdownKind) -> None:
        if kind is ShutdownKind.HALT:
            # libxl knows no halt; guests take it as poweroff (xenstore-paths.pandoc, control/shutdown).
            await self._parts.store.write(f"/local/domain/{domid}/control/shutdown", str(kind))
            return
        call = self._parts.libxl.reboot if kind is ShutdownKind.REBOOT else self._parts.libxl.shutdown
        try:
            await self._parts.workers.call(call, domid)
        except LibxlError as error:
            if "NOPARAVIRT" not in error.what:
                raise
            raise WrongState(
                "Domain cannot be shutdown",
                hint=f"'{info.name}' has no Xen drivers that listen; `xm destroy` ends it at once",
            ) from error
