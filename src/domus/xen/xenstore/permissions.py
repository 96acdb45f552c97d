"""Who may read and write a node."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from domus.model.errors import BadInput
from domus.xen.xenstore.wire import ProtocolError, ascii_text, split_strings, strings


class Access(StrEnum):
    """What a domain may do with a node; the letters of the wire (docs/misc/xenstore.txt)."""

    NONE = "n"
    READ = "r"
    WRITE = "w"
    BOTH = "b"


class Permission(NamedTuple):
    """One entry of a node's list.

    The first entry is special: its domain owns the node and may do everything, and its access is what
    all domains without an entry of their own may do.
    """

    domid: int
    access: Access

    def __str__(self) -> str:
        return f"{self.access.value}{self.domid}"


def parse_permission(text: str) -> Permission:
    """The permission written as in "r5".

    Raises:
        ProtocolError: it is not one of n, r, w, b and a domain id.
    """
    digits = text[1:]
    if not text or text[0] not in "nrwb" or not (digits.isascii() and digits.isdigit()) or len(digits) > 5:
        raise ProtocolError(f"a XenStore permission is written {text[:20]!r}")
    return Permission(int(digits), Access(text[0]))


def parse_permissions(payload: bytes) -> list[Permission]:
    """What GET_PERMS answers, the owner first."""
    return [parse_permission(ascii_text(part)) for part in split_strings(payload)]


def permissions_payload(path: str, permissions: Sequence[Permission]) -> bytes:
    """The payload of SET_PERMS.

    Raises:
        BadInput: the list is empty: a node always has an owner.
    """
    if not permissions:
        raise BadInput("a XenStore node needs an owner", where=path)
    return strings(path, *(str(permission) for permission in permissions))
