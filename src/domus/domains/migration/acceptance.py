"""From which other hosts this one takes domains and images."""

from __future__ import annotations

import os
import re

from domus.model.errors import Forbidden
from domus.model.settings import Relocation

#: what callers are called that have a certificate
CERTIFIED = "cn:"


def check(relocation: Relocation, who: str, address: str, what: str) -> None:
    """Refuse what another host has to give.

    Args:
        who: is calling, by their certificate; `address` where from.
        what: they have, such as "domains".

    Raises:
        Forbidden: this host takes none, or none of that one.
    """
    host = os.uname().nodename
    if not relocation.accept:
        raise Forbidden(f"{host} takes no {what} of other hosts", hint="migration.accept in xend.toml")
    allowed = relocation.allow.split()
    names = (who.removeprefix(CERTIFIED), address)
    if allowed and not any(re.search(each, name) for each in allowed for name in names):
        raise Forbidden(f"{host} takes no {what} of {names[0]}", hint="migration.allow in xend.toml")
