"""What was done to a running domain lasts: until it is taken away, and with `--persist` for good.

The last step of an operation that has changed something in Xen. Until it begins, a failure or the death of
xend takes the change in Xen back; from then on the change is kept, if need be by the next xend.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from domus.devices.backends import NO_SCRIPT
from domus.domains.events import EventKind
from domus.domains.journal import KeepChange
from domus.domains.reconfigure import reconfigure
from domus.model.firewall import parse_all

if TYPE_CHECKING:
    from domus.domains.build import Handle
    from domus.domains.changes import ConfigChange
    from domus.domains.parts import Parts
    from domus.model.config import DomainConfig
    from domus.model.domain import DomainInfo

log = logging.getLogger(__name__)


class Keeping:
    """Keeps changes. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def planned(
        self, info: DomainInfo, change: ConfigChange, *, persist: bool, who: str, what: str
    ) -> KeepChange:
        """What is to be kept of a change that is about to be made; before anything is changed.

        Args:
            persist: in the configuration for its next starts, too.
            what: what it is, for the history, such as "mem-set 512".

        Raises:
            WrongState: `persist`, and the domain is not managed.
            BadInput: `persist`, and its configuration could not be built any more.
        """
        if persist:
            known = self._parts.definitions.require(info.uuid)
            await self._parts.workers.call(check_buildable, change.apply(known.config))
        return KeepChange(info.uuid, info.domid, change, who if persist else "", what)

    async def commit(self, operation: Handle, keep: KeepChange) -> None:
        """Keep it: the last step of its operation, which is not undone any more."""
        if keep.who or self._parts.kept.running(keep.uuid, keep.domid):
            await operation.commit(keep)
            await self.carry_out(keep)

    async def carry_out(self, keep: KeepChange) -> None:
        """Keep what a record says; harmless when it is repeated, or the domain is not managed any more."""
        if keep.domid is not None:
            await reconfigure(self._parts.kept, keep.uuid, keep.domid, keep.change.apply)
            if keep.change.firewall is not None:
                await self._parts.hotplug.cards.refilter(keep.domid, parse_all(keep.change.firewall))
        known = self._parts.definitions.get(keep.uuid)
        if not keep.who or known is None:
            return
        changed = keep.change.apply(known.config)
        managed = await self._parts.definitions.put(changed, who=keep.who, what=keep.what)
        if managed.revision == known.revision:
            return
        log.info("%s: %s is kept as revision %d", managed.name, keep.what, managed.revision.number)
        self._parts.events.publish(
            EventKind.DOMAIN_CONFIGURED,
            domain=managed.name,
            uuid=managed.uuid,
            who=keep.who,
            revision=str(managed.revision.number),
        )

    async def only(self, info: DomainInfo, keep: KeepChange) -> None:
        """Change a managed domain that does not run.

        Raises:
            Busy: something is going on with it.
        """
        with self._parts.locks.hold(info.uuid, domain=info.name, doing="its configuration is being changed"):
            await self.carry_out(keep)


def check_buildable(config: DomainConfig) -> None:
    """Refuse what can never be built; what the host lacks at the moment is no matter before its start.

    Where it runs:
        Imports much: worker threads.
    """
    from domus.config.compile import to_libxl  # heavy: only who keeps a configuration needs it

    to_libxl(config, hotplug_script=NO_SCRIPT)
