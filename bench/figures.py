"""What a measurement is, and how one is taken."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

#: the command, as a user starts it
XM = Path(sys.executable).parent / "xm"


class Figure(NamedTuple):
    """One measured figure and what it should be."""

    what: str
    value: float
    aim: float
    unit: str
    detail: str


def timed(action: Callable[[], object]) -> float:
    """Seconds that `action` takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def median(values: list[float]) -> float:
    """The value in the middle."""
    return statistics.median(values)


def against_xl(what: str, pairs: list[tuple[float, float]], aim: float, unit: str = "s") -> Figure:
    """The ratio of what we took to what xl did; the first pair warms up."""
    measured = pairs[1:]
    ours, theirs = (median([pair[side] for pair in measured]) for side in (0, 1))
    ratio = median([mine / other for mine, other in measured])
    detail = f"ours {ours:.2f} {unit}, xl {theirs:.2f} {unit}, {len(measured)} pairs"
    return Figure(what, ratio, aim, "x", detail)


def spread(values: list[float]) -> str:
    """From the least to the most."""
    return f"{min(values):.2f}-{max(values):.2f} s, {len(values)} runs"
