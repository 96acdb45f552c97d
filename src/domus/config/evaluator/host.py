"""What a configuration file may learn about the machine that it is read on, and nothing more."""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path
from typing import Final

import msgspec
from msgspec import field

#: variables of the environment that files may read; others may hold secrets
READABLE_ENVIRONMENT: Final = frozenset(
    {
        "HOME",
        "USER",
        "LOGNAME",
        "HOSTNAME",
        "LANG",
        "PWD",
        "PATH",
        "DISPLAY",
        "SHELL",
        "TERM",
        "TZ",
        "XAUTHORITY",
    }
)
#: beginnings of further ones
READABLE_PREFIXES: Final = ("XEN", "XM_", "XL_", "VM_", "DOMUS_")


class Host(msgspec.Struct):
    """The machine and the process, as a file sees them; tests give their own."""

    uname: tuple[str, ...] = field(default_factory=lambda: tuple(os.uname()))  #: as os.uname()
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    directory: str = field(default_factory=os.getcwd)
    arguments: tuple[str, ...] = ("xm", "create")

    @property
    def name(self) -> str:
        """The host's name."""
        return self.uname[1]

    def readable_environment(self) -> dict[str, str]:
        """The variables of the environment that a file may read."""
        return {
            name: value
            for name, value in self.environment.items()
            if name in READABLE_ENVIRONMENT or name.startswith(READABLE_PREFIXES)
        }

    def mode(self, path: str) -> int | None:
        """The type and permission bits of a file; None when there is none."""
        if "\0" in path or len(path) > 4096:
            return None
        try:
            return Path(posixpath.join(self.directory, path)).stat().st_mode
        except (OSError, ValueError):
            return None

    def exists(self, path: str) -> bool:
        """Whether there is something of that name."""
        return self.mode(path) is not None

    def is_file(self, path: str) -> bool:
        """Whether it is a regular file."""
        mode = self.mode(path)
        return mode is not None and stat.S_ISREG(mode)

    def is_directory(self, path: str) -> bool:
        """Whether it is a directory."""
        mode = self.mode(path)
        return mode is not None and stat.S_ISDIR(mode)
