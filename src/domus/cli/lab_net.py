"""`xm lab net`: the network of lab hosts made worse, for tests and for learning."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.model.errors import NotFound

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.lab.impairments import Impairments


def show(call: Call) -> int:
    """A row per host."""
    from domus.lab import impairments

    found = {host: impairments.shown(host) for host in call.words or _running()}
    if call.has("json"):
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return 0
    print(f"{'Name':<20} {'Delay':<16} {'Loss':<8} {'Rate':<12} Cable")
    for host, wrong in found.items():
        print(f"{host:<20} {_delay(wrong):<16} {_loss(wrong):<8} {_rate(wrong):<12} {_cable(wrong)}")
    return 0


def delay(call: Call) -> int:
    """Delay and jitter; 0ms ends them."""
    from domus.lab import impairments

    if len(call.words) not in (2, 3):
        raise call.wrong("'xm lab net delay' needs a host and a time")
    jitter = impairments.milliseconds(call.words[2]) if len(call.words) == 3 else 0.0
    _tell(
        call.words[0],
        impairments.impair(call.words[0], delay_ms=impairments.milliseconds(call.words[1]), jitter_ms=jitter),
    )
    return 0


def loss(call: Call) -> int:
    """Loss; 0% ends it."""
    from domus.lab import impairments

    if len(call.words) != 2:
        raise call.wrong("'xm lab net loss' needs a host and a percentage")
    _tell(call.words[0], impairments.impair(call.words[0], loss_percent=impairments.percent(call.words[1])))
    return 0


def rate(call: Call) -> int:
    """Rate; 0kbit ends its limit."""
    from domus.lab import impairments

    if len(call.words) != 2:
        raise call.wrong("'xm lab net rate' needs a host and a rate")
    _tell(call.words[0], impairments.impair(call.words[0], rate_kbit=impairments.kilobits(call.words[1])))
    return 0


def cut(call: Call) -> int:
    """The cable."""
    from domus.lab import impairments

    if len(call.words) != 1:
        raise call.wrong("'xm lab net cut' needs a host")
    impairments.cut(call.words[0])
    _tell(call.words[0], impairments.shown(call.words[0]))
    return 0


def heal(call: Call) -> int:
    """Everything again as it was."""
    from domus.lab import impairments

    for host in call.words or _running():
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
