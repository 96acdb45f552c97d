"""Which store a command is for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from domus.model.errors import BadInput
from domus.storage.images import volumes
from domus.storage.images.base import Store
from domus.storage.images.store import DirectoryStore

#: how a configuration names an image of the store instead of a path
PREFIX: Final = "image:"

_SYSTEM: Final = Path("/var/lib/domus/images")
_CAPABILITIES: Final = Path("/proc/xen/capabilities")


def default() -> str:
    """`XM_IMAGES`; else the system's on a Xen host as root; else the user's own."""
    if named := os.environ.get("XM_IMAGES"):
        return named
    if os.geteuid() == 0 and _CAPABILITIES.exists():
        return str(_SYSTEM)
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return str(Path(data).expanduser() / "domus/images")


def store(named: str = "") -> Store:
    """The store of that name; "": the default one.

    Raises:
        BadInput: it is none.
    """
    name = named or default()
    if name.startswith(volumes.PREFIX):
        return volumes.named(name)
    return DirectoryStore(Path(name).expanduser())


def directory(named: str = "") -> DirectoryStore:
    """As `store`, for what works with files alone.

    Raises:
        BadInput: it is none, or a volume group.
    """
    found = store(named)
    if not isinstance(found, DirectoryStore):
        raise BadInput(f"{found} is no directory: images go from directory to directory", hint="--store DIR")
    return found
