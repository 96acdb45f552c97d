"""CPU affinity as libxl wants it: one ascending list of CPUs per VCPU."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from domus.model.errors import BadInput

_ITEM: Final = re.compile(r"(\^?)(?:(nodes?):)?(?:(all)|(\d{1,4})(?:-(\d{1,4}))?)")


def affinity(
    sets: Sequence[tuple[int, ...] | None],
    expressions: Sequence[str],
    most: int,
    host_nodes: Sequence[Sequence[int]],
) -> list[list[int]]:
    """The lists for `most` VCPUs; [] when none of them is bound.

    Raises:
        BadInput: an expression names a node that is not there, or leaves no CPU.
    """
    if expressions:
        chosen = [resolve(expression, host_nodes) for expression in expressions]
        sets = tuple(chosen) * most if len(chosen) == 1 else tuple(chosen[:most])
    if not any(sets):
        return []
    # libxl takes an empty list for "no CPU at all": one that is not bound gets all that there may be.
    everywhere = sorted({cpu for node in host_nodes for cpu in node}) or list(range(4096))
    return [list(cpus) if cpus else everywhere for cpus in sets]


def resolve(expression: str, host_nodes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The CPUs of a list such as `node:1,^3` on a host.

    Args:
        host_nodes: the CPUs of each NUMA node.

    Raises:
        BadInput: a node is not there, or no CPU is left.
    """
    everything = {cpu for node in host_nodes for cpu in node}
    numbers: set[int] = set()
    for item in re.split(r"[,\s]+", expression):
        match = _ITEM.fullmatch(item)
        if not item:
            continue
        if match is None:
            raise BadInput(
                f"{item[:40]!r} is not a CPU or a range of CPUs", hint="such as '0-3,^1' or 'node:0'"
            )
        chosen = _chosen(match, host_nodes, everything)
        numbers = numbers - chosen if match[1] else numbers | chosen
    if not numbers:
        raise BadInput(f"{expression[:60]!r} leaves no CPU of this host to run on")
    return tuple(sorted(numbers))


def _chosen(match: re.Match[str], host_nodes: Sequence[Sequence[int]], everything: set[int]) -> set[int]:
    if match[3]:
        return everything
    wanted = range(int(match[4]), int(match[5] or match[4]) + 1)
    if not match[2]:
        return set(wanted) & everything if everything else set(wanted)
    missing = [node for node in wanted if node >= len(host_nodes)]
    if missing:
        raise BadInput(f"this host has no NUMA node {missing[0]}", hint=f"it has {len(host_nodes)}")
    return {cpu for node in wanted for cpu in host_nodes[node]}
