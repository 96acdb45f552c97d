"""Shares of caches and memory bandwidth (Intel's resource director), in xl's words."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_SOCKET: Final = Option("s", "socket", "Of these sockets only, as in 0,2-3.", value="SOCKETS")
_LEVEL: Final = Option(
    "l", "level", "Of this level of caches: 3 (the default) or 2.", value="LEVEL", choices=("2", "3")
)


def _psr(
    name: str, usage: str, sentence: str, function: str, counts: tuple[int, int] | None, *options: Option
) -> Command:
    return Command(
        name=f"psr-{name}",
        origin="xl",
        usage=usage,
        sentence=sentence,
        runs=f"psr:{function}",
        options=options,
        counts=counts,
        tested="domains/test_psr_on_xen.py",
        listed=False,
    )


COMMANDS: Final[tuple[Command, ...]] = (
    _psr(
        "hwinfo",
        "[-m|--cmt] [-a|--cat] [-b|--mba] [--json]",
        "Show what the CPUs can do to measure and share out caches and memory bandwidth.",
        "hardware",
        None,
        Option("m", "cmt", "Measuring only."),
        Option("a", "cat", "Shares of caches only."),
        Option("b", "mba", "Shares of memory bandwidth only."),
        JSON,
    ),
    _psr("cmt-attach", "DOM", "Measure a domain's use of caches and memory.", "attach", (1, 1)),
    _psr("cmt-detach", "DOM", "Measure a domain's use of caches and memory no longer.", "detach", (1, 1)),
    _psr(
        "cmt-show",
        "cache-occupancy|total-mem-bandwidth|local-mem-bandwidth [DOM] [--json]",
        "Show what was measured.",
        "uses",
        (1, 2),
        JSON,
    ),
    _psr(
        "cat-set",
        "[-s SOCKETS] [-l LEVEL] [-c|-d] DOM CBM",
        "Set which ways of a cache a domain may use: a mask.",
        "set_cache",
        (2, 7),
        _SOCKET,
        _LEVEL,
        Option("c", "code", "For code only."),
        Option("d", "data", "For data only."),
    ),
    _psr(
        "cat-show",
        "[-l LEVEL] [DOM] [--json]",
        "Show which ways of the caches domains may use.",
        "show_cache",
        (0, 3),
        _LEVEL,
        JSON,
    ),
    _psr(
        "mba-set",
        "[-s SOCKETS] DOM THROTTLE",
        "Limit a domain's memory bandwidth.",
        "set_bandwidth",
        (2, 4),
        _SOCKET,
    ),
    _psr("mba-show", "[DOM] [--json]", "Show these limits.", "show_bandwidth", (0, 1), JSON),
)
