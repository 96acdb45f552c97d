"""Identities of domains and hosts, and the rules that their names follow."""

from __future__ import annotations

import re
from typing import Final, NewType

from domus.model.errors import BadInput

#: Number of one boot of a domain on one host; a new one after each reboot, restore or migration.
Domid = NewType("Domid", int)

#: Identity of a domain, 8-4-4-4-12 lower-case hexadecimal digits.
DomainUuid = NewType("DomainUuid", str)

DOM0: Final = Domid(0)

#: Domain ids from here on are Xen's own (xen/include/public/xen.h, DOMID_FIRST_RESERVED).
FIRST_RESERVED_DOMID: Final = 0x7FF0

# The set xm allowed from 4.0 on; libxl allows more, but such names confuse paths and scripts.
_DOMAIN_NAME: Final = re.compile(r"[A-Za-z0-9_\-.:+]{1,128}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def check_domain_name(name: str) -> str:
    """`name`, if a domain may be called so.

    Raises:
        BadInput: it is empty, too long, all digits (taken for a domain id), or has other characters
            than letters, digits and `_ - . : +`.
    """
    if not name:
        raise BadInput("a domain needs a name")
    if not _DOMAIN_NAME.fullmatch(name):
        raise BadInput(
            f"invalid domain name {name[:140]!r}",
            hint="up to 128 letters, digits and any of _ - . : +",
        )
    if name.isdigit():
        raise BadInput(
            f"invalid domain name {name!r}", hint="a name of digits only would be taken for a domain id"
        )
    return name


def check_uuid(text: str) -> DomainUuid:
    """`text` as a domain's uuid, in lower case and with its dashes.

    Raises:
        BadInput: it does not have 32 hexadecimal digits.
    """
    uuid = text.strip().lower()
    if re.fullmatch(r"[0-9a-f]{32}", uuid):
        uuid = "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
    if not _UUID.fullmatch(uuid):
        raise BadInput(f"invalid uuid {text[:60]!r}", hint="8-4-4-4-12 hexadecimal digits")
    return DomainUuid(uuid)
