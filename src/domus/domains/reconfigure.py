"""The one way in which a change of a running domain reaches the configuration that xend keeps of it.

As xm had it: what is attached to a running domain is there again when the guest reboots, and what was
detached is not.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from domus.domains.kept import KeptDomains
from domus.model.config import DomainConfig

Change = Callable[[DomainConfig], DomainConfig]


async def reconfigure(kept: KeptDomains, uuid: str, domid: int, change: Change) -> None:
    """Change what is kept of a running domain; nothing is of one that xend did not make."""
    known = kept.running(uuid, domid)
    if known is not None and (config := change(known.config)) != known.config:
        await kept.put(replace(known, config=config))
