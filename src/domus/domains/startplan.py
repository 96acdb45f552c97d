"""Which domains begin when, among those that are started together: the plan, as data.

A domain waits for those of a lower order, and for those that it is said to start after; a domain that must
start after one of a higher order counts as of that order itself. What need not wait begins at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from domus.model.config import DomainConfig


@dataclass(frozen=True)
class Step:
    """One domain of a plan."""

    name: str
    waits_for: frozenset[str]  #: those that must have been started, or have failed, before
    needs: frozenset[str]  #: those of them without which it is not started
    delay_s: float  #: seconds between their end and its beginning


@dataclass(frozen=True)
class Plan:
    """What can be started, and what cannot."""

    steps: tuple[Step, ...]  #: each after all that it waits for
    refused: Mapping[str, str]  #: name and reason


def plan(configs: Iterable[DomainConfig], running: Iterable[str]) -> Plan:
    """The plan for these domains.

    Args:
        configs: of those that are to be started.
        running: names of domains that run already.
    """
    there = set(running)
    settings = {config.name: config for config in configs}
    refused = dict(_cycles({name: config.start_after for name, config in settings.items()}))
    wanted = {name: each for name, each in settings.items() if name not in refused}
    missing = True
    while missing:  # what needs one that is refused is refused too
        missing = False
        for name, each in list(wanted.items()):
            lacking = [other for other in each.start_after if other not in wanted and other not in there]
            if lacking:
                refused[name] = f"it starts after '{lacking[0]}', which is not started"
                del wanted[name]
                missing = True
    needs = {name: frozenset(each.start_after) & wanted.keys() for name, each in wanted.items()}
    orders: dict[str, int] = {}
    sequence = list(TopologicalSorter({name: sorted(needs[name]) for name in sorted(wanted)}).static_order())
    for name in sequence:
        orders[name] = max([wanted[name].start_order, *(orders[other] for other in needs[name])])
    steps = [
        Step(
            name,
            frozenset(other for other in orders if orders[other] < orders[name]) | needs[name],
            needs[name],
            wanted[name].start_delay_s,
        )
        for name in sorted(sequence, key=lambda name: (orders[name], sequence.index(name)))
    ]
    return Plan(tuple(steps), refused)


def circle(after: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Domains each of which starts after the next one, and the last after the first; () when there are none.

    Args:
        after: what each domain starts after, by name.
    """
    graph = {name: sorted(set(others) & after.keys()) for name, others in sorted(after.items())}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1][1:]))
    return ()


def told(names: tuple[str, ...]) -> str:
    """A circle in words, beginning with its first name."""
    return f"it starts after itself: {' after '.join((*names, names[0]))}"


def _cycles(after: Mapping[str, Iterable[str]]) -> Iterable[tuple[str, str]]:
    """Those that start after themselves, by way of others."""
    left = dict(after)
    while names := circle(left):
        for name in names:
            yield name, told(names)
            del left[name]
