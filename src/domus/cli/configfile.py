"""Finding the configuration file that `create` and `check` are given."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SEARCH_PATH: Final = ".:/etc/xen"

#: what xm reads when no file is named
DEFAULT_NAME: Final = "xmdefconfig"


def find(name: str, search_path: str = SEARCH_PATH) -> str | None:
    """The path of the file called `name`: as it is, else in one of the directories; None: nowhere.

    Relative ones begin with "./", as xm always printed them.
    """
    for place in (Path(), *map(Path, search_path.split(":"))):
        path = str(place / name)
        if (place / name).exists():
            return path if path.startswith(("/", "../")) else f"./{path}"
    return None


def hint_for(name: str, search_path: str = SEARCH_PATH) -> str:
    """What may have been meant by a name that is nowhere."""
    near = find(f"{name}.cfg", search_path)
    return f"did you mean {near}?" if near else ""
