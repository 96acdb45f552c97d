"""`key=value,key=value`: what most specifications are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def joined(pairs: Iterable[tuple[str, Any]]) -> str:
    """`key=value,key=value` of those that have a value; truth as 1 and 0."""
    return ",".join(
        f"{key}={int(value) if isinstance(value, bool) else value}"
        for key, value in pairs
        if value is not None and value != ""
    )
