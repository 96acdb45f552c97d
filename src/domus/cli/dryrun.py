"""`xm create -n`: what would be created, and what about it looks doubtful from here; no host is asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli.as_json import document
from domus.cli.handover import missing_files

if TYPE_CHECKING:
    from domus.config import Loaded


def show(loaded: Loaded) -> int:
    """Print the domain's configuration as JSON: what is set, and what has a value by default."""
    for missing in missing_files(loaded.config):
        print(f"Warning: {missing} on this machine", file=sys.stderr)
    sys.stdout.write(document(loaded.config, without=(None, "", ())))
    return 0
