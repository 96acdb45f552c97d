"""Our tables of the kernel's packet filter, changed by whole transactions of `nft -f`.

There are two, both called `domus`: `netdev` holds a chain for each card that xend plugs, `inet` what belongs
to routed and translated packets. Nobody else's table is ever named in a transaction, so none can be touched.
"""

from __future__ import annotations

import json
from typing import Any, Final

from domus.model.errors import HostProblem, ProgramFailed
from domus.programs import arun

#: name of both tables
TABLE: Final = "domus"

#: Seconds: a transaction takes 0.1 s on an emulated host; more means that the kernel hangs.
_WITHIN: Final = 20.0


async def apply(transaction: str) -> None:
    """Carry a transaction out: all of it, or nothing.

    Raises:
        HostProblem: the kernel refused it, or there is no `nft`; nothing has changed.
    """
    try:
        await arun(["nft", "-f", "-"], stdin=transaction, within=_WITHIN)
    except ProgramFailed as error:
        hint = "nft list ruleset; is the package nftables installed, and the kernel module nf_tables there?"
        raise HostProblem(f"the packet filter refused our rules: {error.what}", hint=hint) from error


async def listed(family: str) -> list[dict[str, Any]]:
    """What there is in our table of a family, as `nft -j` lists it, counters included; empty: none."""
    done = await arun(["nft", "-j", "list", "table", family, TABLE], check=False, within=_WITHIN)
    if done.status:
        return []
    found: list[dict[str, Any]] = json.loads(done.stdout)["nftables"]
    return found


def emptied(family: str) -> str:
    """The beginning of a transaction that makes our table of a family anew, whether it is there or not."""
    return f"{removed(family)}add table {family} {TABLE}\n"


def removed(family: str) -> str:
    """The transaction after which our table of a family is gone, whether it was there or not."""
    return f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n"
