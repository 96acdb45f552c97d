"""What a domain may be like after a random mix of wishes, some of which were cut off: a set of states.

A wish that was done has had its effect, one that failed has had none, and of one that nobody answered either
is possible. Of wishes that were under way together every order is. What is seen must be one of the outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Final

from domus.model.managed import Revision

BASE_MIB: Final = 88


class Life(Enum):
    """Where a domain is."""

    OFF = "off"
    UP = "up"
    SUSPENDED = "suspended"


class Asked(Enum):
    """What the guest was asked for, and may do at any time from now on."""

    NOTHING = "nothing"
    POWEROFF = "poweroff"
    REBOOT = "reboot"


@dataclass(frozen=True)
class Devices:
    """What changes while a domain runs, and is saved with it."""

    disk: bool = False
    card: bool = False
    target_mib: int | None = BASE_MIB  #: None: not to be foretold


@dataclass(frozen=True)
class State:
    """One domain."""

    managed: bool = False
    life: Life = Life.OFF
    renamed: bool = False
    devices: Devices = Devices()
    asked: Asked = Asked.NOTHING
    saved: tuple[bool, Devices] | None = None  #: in its file: whether it was renamed, and its devices

    @property
    def is_nothing(self) -> bool:
        """There is nothing of it but perhaps its file."""
        return (
            self.life is Life.OFF and not self.managed and self.asked is Asked.NOTHING and self.saved is None
        )


@dataclass(frozen=True)
class Wish:
    """Something to be asked of one domain."""

    verb: str
    number: int = 0  #: MiB, VCPUs, or 1 for the other name
    force: bool = False

    def __str__(self) -> str:
        return f"{self.verb}{f' {self.number}' if self.number else ''}{' -f' if self.force else ''}"


class Answer(Enum):
    """What became of a wish."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  #: xend was killed before it answered, and remembers nothing


@dataclass
class Asking:
    """A wish that was uttered."""

    wish: Wish
    began: float = math.inf  #: seconds; infinite: it never was
    ended: float = math.inf
    answer: Answer = Answer.UNKNOWN
    operation: str = ""  #: the id of its operation
    text: str = ""  #: of the error
    acknowledged: Revision | None = None  #: what is kept since

    @property
    def was_uttered(self) -> bool:
        """It has begun."""
        return self.began < math.inf

    def __str__(self) -> str:
        ended = "" if self.ended == math.inf else f" to {self.ended:.1f}"
        return f"{self.wish} at {self.began:.1f}{ended} s: {self.answer.value} {self.text}"


def effects(wish: Wish, state: State) -> set[State]:
    """What a domain may be like once `wish` was done; nothing: it cannot be done."""
    up = state.life is Life.UP
    off = state.life is Life.OFF and state.asked is Asked.NOTHING
    between = state.life is Life.OFF and state.asked is Asked.REBOOT
    gone = _gone(state)
    devices = state.devices
    possible: dict[str, tuple[bool, State]] = {
        "new": (not (state.managed and state.renamed), replace(state, managed=True)),
        "set": (state.managed, state),
        "delete": (state.managed and not up and not between, replace(gone, managed=False, renamed=False)),
        "start": (state.managed and off, replace(gone, life=Life.UP)),
        "create": (not state.managed and off, replace(gone, life=Life.UP, renamed=False)),
        "destroy": (up or between or state.managed, gone if up or between else state),
        "suspend": (state.managed and up, replace(state, life=Life.SUSPENDED, asked=Asked.NOTHING)),
        "resume": (
            state.managed and state.life is Life.SUSPENDED,
            replace(state, life=Life.UP, devices=replace(devices, target_mib=None)),
        ),
        "save": (up, replace(gone, saved=(state.renamed, devices))),
        "checkpoint": (up, replace(state, saved=(state.renamed, devices))),
        "restore": (off and state.saved is not None, _restored(state)),
        "attach-disk": (up and not devices.disk, replace(state, devices=replace(devices, disk=True))),
        "detach-disk": (up and devices.disk, replace(state, devices=replace(devices, disk=False))),
        "attach-card": (up and not devices.card, replace(state, devices=replace(devices, card=True))),
        "detach-card": (up and devices.card, replace(state, devices=replace(devices, card=False))),
        "mem-set": (up, replace(state, devices=replace(devices, target_mib=wish.number))),
        "vcpu-set": (up, state),
        "rename": (
            (up or state.managed) and state.renamed != bool(wish.number),
            replace(state, renamed=bool(wish.number)),
        ),
        "shutdown": (up, replace(state, asked=Asked.POWEROFF)),
        "reboot": (up, replace(state, asked=Asked.REBOOT)),
    }
    can_be, after = possible[wish.verb]
    return {after} if can_be else set()


def _gone(state: State) -> State:
    renamed = state.renamed and state.managed
    return replace(state, life=Life.OFF, renamed=renamed, devices=Devices(), asked=Asked.NOTHING)


def _restored(state: State) -> State:
    renamed, devices = state.saved or (False, Devices())
    devices = replace(devices, target_mib=None)
    return replace(state, life=Life.UP, renamed=renamed, devices=devices, asked=Asked.NOTHING)


def with_ends(states: Iterable[State]) -> set[State]:
    """The states, and what they become when guests do what they were asked for."""
    every: set[State] = set()
    for state in states:
        every.add(state)
        if state.asked is Asked.POWEROFF and state.life is Life.UP:
            every.add(_gone(state))
        if state.asked is Asked.REBOOT:
            # Built anew from what is kept: the managed configuration, or that of the running domain.
            kept = replace(state.devices, target_mib=BASE_MIB)
            devices = Devices() if state.managed else kept
            every.add(replace(state, life=Life.OFF, devices=devices))  # for a moment it is not there
            every.add(replace(state, life=Life.UP, devices=devices, asked=Asked.NOTHING))
    return every


def outcomes(before: Iterable[State], askings: Sequence[Asking]) -> set[State]:
    """What a domain may be like after these wishes, in every order that they may have had."""

    @cache
    def after(left: frozenset[int]) -> frozenset[State]:
        """The states once all but `left` have had their turn."""
        if len(left) == len(askings):
            return frozenset(with_ends(before))
        found: set[State] = set()
        for last in range(len(askings)):
            # `last` may have been the last of those that had their turn, unless one of them began later.
            others = [each for each in range(len(askings)) if each not in left and each != last]
            if last in left or any(askings[each].began > askings[last].ended for each in others):
                continue
            for state in after(left | {last}):
                found |= _turn(askings[last], state)
        return frozenset(with_ends(found))

    return set(after(frozenset()))


def _turn(asking: Asking, state: State) -> set[State]:
    if asking.answer is Answer.FAILED:
        return {state}
    done = effects(asking.wish, state)
    return done if asking.answer is Answer.DONE else done | {state}
