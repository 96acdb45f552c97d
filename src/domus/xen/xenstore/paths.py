"""Which paths XenStore takes, checked before they are sent."""

from __future__ import annotations

import re
from typing import Final

from domus.model.errors import BadInput

#: most bytes of an absolute path (XENSTORE_ABS_PATH_MAX in io/xs_wire.h)
PATH_MAX: Final = 3072

# docs/misc/xenstore.txt: letters, digits and -/_@; no doubled slash, none at the end but for the root.
_NODE: Final = re.compile(r"/|(?:/[A-Za-z0-9_@-]+)+")
_SPECIAL: Final = re.compile(r"@[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")


def check_path(path: str) -> str:
    """`path`, if it can be that of a node.

    Raises:
        BadInput: it is relative (only a guest's own connection knows what to), too long, or has
            characters or slashes that XenStore does not take.
    """
    if len(path) > PATH_MAX or not _NODE.fullmatch(path):
        raise _bad(path)
    return path


def check_watchable(path: str) -> str:
    """`path`, if it can be watched: that of a node, or an event such as "@releaseDomain".

    Raises:
        BadInput: as `check_path` does.
    """
    if path.startswith("@"):
        if len(path) > PATH_MAX or not _SPECIAL.fullmatch(path):
            raise _bad(path)
        return path
    return check_path(path)


def _bad(path: str) -> BadInput:
    return BadInput(
        f"invalid XenStore path {path[:100]!r}",
        hint=f"up to {PATH_MAX} letters, digits and - _ @, parts joined by one /",
    )
