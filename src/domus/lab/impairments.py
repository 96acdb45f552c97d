"""A worse network: what a lab host sends into the LAN is delayed, lost or slowed, or its cable is pulled.

Delay, loss and rate are netem's (tc-netem(8)) on the host's LAN card, and so act on what the host and its
guests send. A cut is QEMU's: the card loses its carrier, nothing passes either way, and no connection is
told. All of it is in the host itself and ends with it; what is shown is read from there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from domus.lab import qemu, qmp, record, shell
from domus.lab.built import locked
from domus.model.errors import BadInput, Unreachable
from domus.programs import failure

#: the LAN card in the host, and its other end in QEMU (domus.lab.machine)
_CARD: Final = "eth1"
_NETDEV: Final = "lan"

_SHOW: Final = f"tc -j qdisc show dev {_CARD} root && cat /sys/class/net/{_CARD}/carrier"

_TIME_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_RATE_KBIT: Final = {"kbit": 1.0, "mbit": 1e3, "gbit": 1e6}


class Impairments(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a host's network; 0 and False: nothing."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0  #: the delay is up to so much more or less
    loss_percent: float = 0.0
    rate_kbit: float = 0.0  #: kbit/s; 0: not limited
    cut: bool = False


def shown(host: str) -> Impairments:
    """What is wrong with the network of running host `host`, as it says itself.

    Raises:
        Unreachable: it does not run.
    """
    done = shell.run(_folder(host), ["sh", "-c", _SHOW])
    if done.status:
        raise failure(done)
    queues, _, carrier = done.stdout.strip().rpartition("\n")
    netem = [queue["options"] for queue in msgspec.json.decode(queues) if queue["kind"] == "netem"]
    return _read(netem[0] if netem else {}, cut=carrier.strip() == "0")


def impair(host: str, **changes: float) -> Impairments:
    """Change what is wrong; what is not named stays. Returns all that is wrong now.

    Args:
        changes: members of `Impairments`, not `cut`.

    Raises:
        Unreachable: it does not run.
        BadInput: values that make no sense.
    """
    with locked(_folder(host) / "net.lock"):
        wanted = msgspec.structs.replace(shown(host), **changes)
        _check(wanted)
        _tc(host, _netem(wanted))
        return wanted


def cut(host: str) -> None:
    """Pull the host's LAN cable. Raises Unreachable when it does not run."""
    with locked(_folder(host) / "net.lock"):
        _link(host, up=False)


def heal(host: str) -> None:
    """Undo all of it. Raises Unreachable when the host does not run."""
    with locked(_folder(host) / "net.lock"):
        _tc(host, [])
        _link(host, up=True)


def milliseconds(text: str) -> float:
    """A time such as 50ms, 1.5s or 200us. Raises BadInput."""
    return _quantity(text, _TIME_MS, "a time such as 50ms or 1.5s")


def kilobits(text: str) -> float:
    """A rate such as 10mbit, in kbit/s. Raises BadInput."""
    return _quantity(text, _RATE_KBIT, "a rate such as 512kbit, 10mbit or 1gbit")


def percent(text: str) -> float:
    """A share such as 5%. Raises BadInput."""
    return _quantity(text, {"%": 1.0, "": 1.0}, "a share such as 5%")


def _quantity(text: str, units: dict[str, float], wanted: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([a-z%]*)", text.lower())
    if found is None or found[2] not in units:
        raise BadInput(f"{text[:40]!r} is not {wanted}")
    return float(found[1]) * units[found[2]]


def _check(wanted: Impairments) -> None:
    if not 0 <= wanted.loss_percent <= 100:
        raise BadInput(f"a loss of {wanted.loss_percent:g} % is more than all")
    if wanted.jitter_ms > wanted.delay_ms:
        raise BadInput(f"a jitter of {wanted.jitter_ms:g} ms is more than the delay itself")
    if max(wanted.delay_ms, wanted.jitter_ms) > 60_000:
        raise BadInput("a delay of more than a minute is a cut", hint="xm lab net cut HOST")


def _netem(wanted: Impairments) -> list[str]:
    """The words for tc; none where nothing is wrong."""
    words: list[str] = []
    if wanted.delay_ms:
        words += ["delay", f"{wanted.delay_ms * 1000:.0f}us", f"{wanted.jitter_ms * 1000:.0f}us"]
    if wanted.loss_percent:
        words += ["loss", f"{wanted.loss_percent:g}%"]
    if wanted.rate_kbit:
        words += ["rate", f"{wanted.rate_kbit * 1000:.0f}bit"]
    return words


def _read(options: dict[str, Any], *, cut: bool) -> Impairments:
    """netem's options as tc prints them: seconds, shares of one, and bytes per second."""
    delay = options.get("delay", {})
    return Impairments(
        delay_ms=round(delay.get("delay", 0) * 1000, 3),
        jitter_ms=round(delay.get("jitter", 0) * 1000, 3),
        loss_percent=round(options.get("loss-random", {}).get("loss", 0) * 100, 4),
        rate_kbit=round(options.get("rate", {}).get("rate", 0) * 8 / 1000, 3),
        cut=cut,
    )


def _tc(host: str, netem: list[str]) -> None:
    if netem:
        script = f'exec tc qdisc replace dev {_CARD} root netem "$@"'
    else:
        script = (
            f"tc qdisc show dev {_CARD} root | grep -q netem || exit 0; exec tc qdisc del dev {_CARD} root"
        )
    done = shell.run(_folder(host), ["sh", "-c", script, "sh", *netem])
    if done.status:
        raise failure(done)


def _link(host: str, *, up: bool) -> None:
    async def set_link(say: qmp.Say) -> None:
        await say("set_link", name=_NETDEV, up=up)

    qmp.converse(_folder(host) / qemu.QMP_SOCKET, set_link)


def _folder(host: str) -> Path:
    if not record.running(host):
        record.read(host)
        raise Unreachable(f"lab host {host} does not run", hint=f"xm lab up {host}")
    return record.folder(host)
