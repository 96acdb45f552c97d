"""`xm lab net`: the network of lab hosts made worse, for tests and for learning."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.cli.command import Command, Option
from domus.cli.options import UsageError
from domus.model.errors import NotFound

if TYPE_CHECKING:
    from domus.lab.impairments import Impairments

Values = dict[str, list[str]]

SHOW: Final = Command(
    name="lab net show",
    usage="[HOST ...]",
    sentence="Show what is wrong with the network of running lab hosts.",
    options=(Option("", "json", "Print JSON, for programs."),),
)
DELAY: Final = Command(
    name="lab net delay",
    usage="HOST TIME [JITTER]",
    sentence="Delay what a host and its guests send into the LAN, for example by 50ms, or 50ms 10ms.",
)
LOSS: Final = Command(
    name="lab net loss", usage="HOST PERCENT", sentence="Lose a share of what they send, for example 2%."
)
RATE: Final = Command(
    name="lab net rate", usage="HOST RATE", sentence="Send no faster than so much, for example 10mbit."
)
CUT: Final = Command(
    name="lab net cut",
    usage="HOST",
    sentence="Pull the host's LAN cable: nothing passes either way, and no connection is told.",
)
HEAL: Final = Command(
    name="lab net heal", usage="[HOST ...]", sentence="Undo all of it; without HOST, on all that run."
)


def show(values: Values, words: list[str]) -> int:
    """A row per host."""
    from domus.lab import impairments

    found = {host: impairments.shown(host) for host in words or _running()}
    if "json" in values:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return 0
    print(f"{'Name':<20} {'Delay':<16} {'Loss':<8} {'Rate':<12} Cable")
    for host, wrong in found.items():
        print(f"{host:<20} {_delay(wrong):<16} {_loss(wrong):<8} {_rate(wrong):<12} {_cable(wrong)}")
    return 0


def delay(_: Values, words: list[str]) -> int:
    """Delay and jitter; 0ms ends them."""
    from domus.lab import impairments

    if len(words) not in (2, 3):
        raise UsageError("'xm lab net delay' needs a host and a time", command=DELAY)
    jitter = impairments.milliseconds(words[2]) if len(words) == 3 else 0.0
    _tell(
        words[0],
        impairments.impair(words[0], delay_ms=impairments.milliseconds(words[1]), jitter_ms=jitter),
    )
    return 0


def loss(_: Values, words: list[str]) -> int:
    """Loss; 0% ends it."""
    from domus.lab import impairments

    if len(words) != 2:
        raise UsageError("'xm lab net loss' needs a host and a percentage", command=LOSS)
    _tell(words[0], impairments.impair(words[0], loss_percent=impairments.percent(words[1])))
    return 0


def rate(_: Values, words: list[str]) -> int:
    """Rate; 0kbit ends its limit."""
    from domus.lab import impairments

    if len(words) != 2:
        raise UsageError("'xm lab net rate' needs a host and a rate", command=RATE)
    _tell(words[0], impairments.impair(words[0], rate_kbit=impairments.kilobits(words[1])))
    return 0


def cut(_: Values, words: list[str]) -> int:
    """The cable."""
    from domus.lab import impairments

    if len(words) != 1:
        raise UsageError("'xm lab net cut' needs a host", command=CUT)
    impairments.cut(words[0])
    _tell(words[0], impairments.shown(words[0]))
    return 0


def heal(_: Values, words: list[str]) -> int:
    """Everything again as it was."""
    from domus.lab import impairments

    for host in words or _running():
        impairments.heal(host)
    return 0


def _running() -> list[str]:
    from domus import lab

    names = lab.names()
    if not names:
        raise NotFound("no lab host runs", hint="xm lab up")
    return names


def _tell(host: str, wrong: Impairments) -> None:
    parts = [
        text
        for is_so, text in (
            (wrong.cut, "its cable is pulled"),
            (wrong.delay_ms, f"delay {_delay(wrong)}"),
            (wrong.loss_percent, f"loss {_loss(wrong)}"),
            (wrong.rate_kbit, f"rate {_rate(wrong)}"),
        )
        if is_so
    ]
    ends = f"; 'xm lab net heal {host}' ends it" if parts else ""
    print(f"Lab host {host}: {', '.join(parts) or 'nothing is wrong'}{ends}.", file=sys.stderr)


def _delay(wrong: Impairments) -> str:
    if not wrong.delay_ms:
        return "-"
    return f"{wrong.delay_ms:g} ms" + (f" ±{wrong.jitter_ms:g}" if wrong.jitter_ms else "")


def _loss(wrong: Impairments) -> str:
    return f"{wrong.loss_percent:g} %" if wrong.loss_percent else "-"


def _rate(wrong: Impairments) -> str:
    return f"{wrong.rate_kbit:g} kbit/s" if wrong.rate_kbit else "-"


def _cable(wrong: Impairments) -> str:
    return "pulled" if wrong.cut else "in"
