"""Where the lab keeps what it built and what is running. Light, as `line` is."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def cache_dir() -> Path:
    """Images, layers and templates: all can be made again.

    `DOMUS_CACHE`, else `$XDG_CACHE_HOME/domus`, else `~/.cache/domus`.
    """
    return _path(_folder("DOMUS_CACHE", "XDG_CACHE_HOME", "~/.cache", "domus"))


def state_dir() -> Path:
    """Running hosts and the lab's certificates: `DOMUS_LAB`, else `$XDG_STATE_HOME/domus/lab`, else
    `~/.local/state/domus/lab`.
    """
    return _path(_state())


def images_dir() -> Path:
    """One folder per host image."""
    return cache_dir() / "images"


def hypervisors_dir() -> Path:
    """One folder per hypervisor that was built here."""
    return cache_dir() / "hypervisors"


def layers_dir() -> Path:
    """One file per state of Domus's own code."""
    return cache_dir() / "layers"


def templates_dir() -> Path:
    """One folder per template."""
    return cache_dir() / "templates"


def hosts_dir() -> Path:
    """One folder per host, running or not."""
    return state_dir() / "hosts"


def host_folder(name: str) -> str:
    """The folder of one host, as text."""
    return f"{_state()}/hosts/{name}"


def _state() -> str:
    return _folder("DOMUS_LAB", "XDG_STATE_HOME", "~/.local/state", "domus/lab")


def _folder(own: str, base: str, default: str, below: str) -> str:
    if named := os.environ.get(own):
        return os.path.abspath(named)  # noqa: PTH100 - pathlib takes longer to import than all of this
    return f"{os.environ.get(base) or os.path.expanduser(default)}/{below}"  # noqa: PTH111


def _path(text: str) -> Path:
    from pathlib import Path

    return Path(text)
