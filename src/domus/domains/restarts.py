"""What happens when a domain ends itself: the decision, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from domus.domains.kept import Kept
from domus.model.config import Action, DomainConfig, GuestType
from domus.model.domain import ShutdownReason

#: Seconds. A domain that lived shorter is not built again at once, as xend had it (MINIMUM_RESTART_TIME).
QUICK: Final = 60.0
_LONGEST_DELAY: Final = 60.0
#: Quick ends in a row after which a domain is not built again: some four minutes, with the delays.
MOST_QUICK: Final = 10


@dataclass(frozen=True)
class Destroy:
    """Take it away."""

    dump: bool = False  #: once its memory is in a file


@dataclass(frozen=True)
class Preserve:
    """Leave it as it is, for somebody to look at."""


@dataclass(frozen=True)
class Restart:
    """Take it away and build it anew."""

    delay: float  #: seconds to wait in between
    quick_restarts: int  #: how often in a row it ended quickly, this time included
    rename_old: bool = False  #: leave the old one under another name instead of taking it away
    dump: bool = False  #: once its memory is in a file


@dataclass(frozen=True)
class SoftReset:
    """Give it new devices, and let it go on in its memory."""

    quick_restarts: int  #: as of `Restart`


@dataclass(frozen=True)
class GiveUp:
    """Leave it as it is: building it again has not helped."""

    quick_restarts: int


Decision = Destroy | Preserve | Restart | SoftReset | GiveUp

_RESTARTS: Final = (Action.RESTART, Action.RENAME_RESTART, Action.COREDUMP_RESTART, Action.SOFT_RESET)
_DUMPS: Final = (Action.COREDUMP_DESTROY, Action.COREDUMP_RESTART)


def action_for(config: DomainConfig, reason: ShutdownReason) -> Action:
    """What the configuration says for this end; xl's rule for reasons that it does not name."""
    return {
        ShutdownReason.POWEROFF: config.on_poweroff,
        ShutdownReason.REBOOT: config.on_reboot,
        ShutdownReason.CRASH: config.on_crash,
        ShutdownReason.WATCHDOG: config.on_watchdog,
        ShutdownReason.SOFT_RESET: config.on_soft_reset,
        ShutdownReason.SUSPEND: Action.PRESERVE,  # whoever saves it takes it away
    }.get(reason, Action.DESTROY)


def decide(kept: Kept, reason: ShutdownReason, now: float) -> Decision:
    """What to do with a domain that has ended itself.

    Args:
        now: seconds since the epoch, as `kept.started`.
    """
    action = action_for(kept.config, reason)
    if action is Action.PRESERVE:
        return Preserve()
    dump = action in _DUMPS
    if action not in _RESTARTS:
        return Destroy(dump)
    quick = kept.quick_restarts + 1 if 0 <= now - kept.started < QUICK else 0
    if quick > MOST_QUICK:
        return GiveUp(quick)
    if action is Action.SOFT_RESET and _can_soft_reset(kept.config, reason):
        return SoftReset(quick)
    return Restart(delay_after(quick), quick, rename_old=action is Action.RENAME_RESTART, dump=dump)


def _can_soft_reset(config: DomainConfig, reason: ShutdownReason) -> bool:
    """Whether it goes on after a soft reset; if not it is built anew.

    libxl can do it for HVM only. And only a guest that asked for it has another kernel to go on with: one
    that rebooted goes on in its last instructions, which end it again at once (measured, 4.20).
    """
    return config.guest_type is GuestType.HVM and reason is ShutdownReason.SOFT_RESET


def delay_after(quick_restarts: int) -> float:
    """Seconds before the next start: none after the first quick end, then doubling up to a minute."""
    if quick_restarts <= 1:
        return 0.0
    return float(min(_LONGEST_DELAY, 2.0 ** min(quick_restarts - 2, 10)))
