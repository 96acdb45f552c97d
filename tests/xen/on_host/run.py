"""Runs inside domain 0: `run.py MODULE ARGUMENT...` calls each check_* of a module next to it.

Prints one JSON line per check: its name, and what went wrong or null. One process for all, since to
start Python and to import asyncio takes seconds in an emulated domain 0.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def outcome(check: Callable[[], Any]) -> str | None:
    """Run one check; returns its traceback when it fails."""
    try:
        if inspect.iscoroutinefunction(check):
            asyncio.run(asyncio.wait_for(check(), 60))
        else:
            check()
    except Exception:
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.path.insert(0, str(Path(__file__).parent))
    module = importlib.import_module(sys.argv[1])
    module.begin(*sys.argv[2:])
    for name, check in sorted(vars(module).items()):
        if name.startswith("check_"):
            print(json.dumps({"name": name, "error": outcome(check)}), flush=True)
