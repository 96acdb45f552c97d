"""XenStore's quotas, in xl's words."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_GLOBAL: Final = Option("g", "global", "Of all guests that have none of their own.")

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="xenstore-quota-get",
        origin="xl",
        usage="DOM|-g [--json]",
        sentence="Show how much a guest may have in XenStore; with --json, how much it has, too.",
        runs="quotas:get",
        options=(_GLOBAL, JSON),
        works="pv pvh hvm",
        tested="domains/test_xenstore_quotas.py",
        listed=False,
    ),
    Command(
        name="xenstore-quota-set",
        origin="xl",
        usage="DOM|-g QUOTA=N ...",
        sentence="Set how much guests may have in XenStore (one guest's own: Xen 4.22 on).",
        runs="quotas:put",
        options=(_GLOBAL,),
        works="-",
        tested="domains/test_xenstore_quotas.py",
        listed=False,
    ),
)
