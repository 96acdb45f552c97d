"""Where the lab keeps what it built and what is running."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Images, layers and templates: all can be made again.

    `DOMUS_CACHE`, else `$XDG_CACHE_HOME/domus`, else `~/.cache/domus`.
    """
    if named := os.environ.get("DOMUS_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "domus"


def state_dir() -> Path:
    """Running hosts and the lab's certificates: `DOMUS_LAB`, else `$XDG_STATE_HOME/domus/lab`, else
    `~/.local/state/domus/lab`.
    """
    if named := os.environ.get("DOMUS_LAB"):
        return Path(named).absolute()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "domus" / "lab"


def images_dir() -> Path:
    """One folder per host image."""
    return cache_dir() / "images"


def layers_dir() -> Path:
    """One file per state of Domus's own code."""
    return cache_dir() / "layers"


def templates_dir() -> Path:
    """One folder per template."""
    return cache_dir() / "templates"


def hosts_dir() -> Path:
    """One folder per host, running or not."""
    return state_dir() / "hosts"
