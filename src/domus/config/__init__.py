"""Languages in, languages out: xm files, xl.cfg, SXP, XML, libxl's JSON, and the model in the middle.

    from domus.config import load
    from domus.config.compile import to_libxl
    document = to_libxl(load("guest.cfg").config)

`load` reads a file (`load_text` a text), and raises `InvalidConfig` with every problem at once.
Configuration files are evaluated by an interpreter of a safe subset of Python, never executed.
"""

from __future__ import annotations

from domus.config.loading import SEARCH_PATH, Loaded, find, load, load_text
from domus.config.problems import Finding, InvalidConfig

__all__ = ["SEARCH_PATH", "Finding", "InvalidConfig", "Loaded", "find", "load", "load_text"]
