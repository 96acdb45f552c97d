"""`xm schema`: the JSON schema of the variables of a configuration file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domus.cli.options import Call


def run(_: Call) -> int:
    """`xm schema`."""
    from domus.cli.as_json import document
    from domus.config.reference import json_schema

    sys.stdout.write(document(json_schema()))
    return 0
