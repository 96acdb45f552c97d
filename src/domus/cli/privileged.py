"""What may not be done to Domain-0, answered before a host is asked, in xm's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.cli.options import Call

DOM0_NAMES: Final = frozenset({"Domain-0", "0", "00000000-0000-0000-0000-000000000000"})


def refuse_dom0(call: Call, verb: str) -> str:
    """The one domain that the call names.

    Raises:
        UsageError: it is Domain-0.
    """
    (name,) = call.words or ("",)
    if name in DOM0_NAMES:
        raise call.wrong(f"Cannot {verb} privileged domain {name}")
    return name
