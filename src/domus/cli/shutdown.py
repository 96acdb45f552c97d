"""`xm shutdown` and `xm reboot`: ask guests to end, and wait until they have."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from domus.cli.privileged import DOM0_NAMES
from domus.cli.progress import Progress
from domus.model.api import ShutdownKind
from domus.model.domain import DomainInfo, RunState
from domus.model.errors import BadInput, DomainNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from domus.cli.options import Call
    from domus.client import Client

#: seconds between two looks at the host
_PAUSE: Final = 1.0

#: looks for which a rebooting domain may be away before it counts as destroyed, as xm had it
_LOOKS: Final = 30

#: looks after which a domain that has shut down, and is still there, counts as one that is preserved
_PRESERVED: Final = 5

_RUNNING: Final = frozenset({RunState.RUNNING, RunState.BLOCKED})
_ENDED: Final = frozenset({RunState.SHUTDOWN, RunState.CRASHED, RunState.DYING, RunState.HALTED})


class Awaited(NamedTuple):
    """One boot of a domain whose end is awaited."""

    name: str
    uuid: str
    domid: int | None


def shutdown(call: Call) -> int:
    """`xm shutdown [-a] [-w] [-H|-R] [DOM]`."""
    if call.has("halt") and call.has("reboot"):
        raise BadInput("Can't specify halt and reboot")
    kind = ShutdownKind.HALT if call.has("halt") else ShutdownKind.POWEROFF
    return _ask(call, ShutdownKind.REBOOT if call.has("reboot") else kind)


def reboot(call: Call) -> int:
    """`xm reboot [-a] [-w] [DOM]`."""
    return _ask(call, ShutdownKind.REBOOT)


def _ask(call: Call, kind: ShutdownKind) -> int:
    domains = [Awaited(domain.name, domain.uuid, domain.domid) for domain in _named(call)]
    for domain in domains:
        _ask_one(call.client, domain, kind, gone_is_fine=call.has("all"))
    if call.has("wait"):
        wait = wait_for_reboots if kind is ShutdownKind.REBOOT else wait_for_ends
        wait(call.client, domains)
    return 0


def _named(call: Call) -> Sequence[DomainInfo]:
    if call.has("all"):
        return running_guests(call.client.domains())
    if not call.words:
        raise BadInput("No domain parameter given")
    if len(call.words) > 1:
        raise BadInput("No multiple domain parameters allowed")
    if call.words[0] in DOM0_NAMES:
        raise call.wrong("Domain 0 cannot be shutdown")
    return [call.client.domain(call.words[0])]


def running_guests(domains: Iterable[DomainInfo]) -> list[DomainInfo]:
    """What `-a` means: every running domain but Domain-0, by name; paused ones are left alone."""
    return sorted(
        (domain for domain in domains if domain.domid and domain.state in _RUNNING),
        key=lambda domain: domain.name,
    )


def _ask_one(client: Client, domain: Awaited, kind: ShutdownKind, *, gone_is_fine: bool) -> None:
    try:
        client.shutdown(domain.uuid, kind)
    except DomainNotFound:
        if not gone_is_fine:
            raise


def wait_for_ends(client: Client, domains: Sequence[Awaited]) -> None:
    """Wait until each of these boots is over, and tell it; a domain that starts anew has ended too."""
    looks = dict.fromkeys(domains, 0)
    with Progress() as progress:
        while True:
            now = client.domains()
            for domain in terminated(looks, now):
                looks[domain] += 1
                if is_taken_away(domain, now) or looks[domain] > _PRESERVED:
                    progress.say(f"Domain {domain.name} terminated")
                    del looks[domain]
            if not looks:
                break
            progress.show(_waiting(looks))
            time.sleep(_PAUSE)
    print("All domains terminated")


def wait_for_reboots(client: Client, domains: Sequence[Awaited]) -> None:
    """Wait until each domain runs under a new id, or has stayed away for too long, and tell it."""
    missed = dict.fromkeys(domains, 0)
    with Progress() as progress:
        while True:
            now = client.domains()
            for domain in terminated(missed, now):
                missed[domain] += 1
                verdict = after_reboot(domain, now, looks=missed[domain])
                if verdict:
                    progress.say(f"Domain {domain.name} {verdict}")
                    del missed[domain]
            if not missed:
                break
            progress.show(_waiting(missed))
            time.sleep(_PAUSE)
    settle(client, {domain.uuid for domain in domains})
    print("All domains rebooted")


def settle(client: Client, uuids: Set[str]) -> None:
    """Wait for what still goes on with these domains: the next command must not find them busy."""
    for operation in client.operations():
        if operation.uuid in uuids and not operation.state.final:
            client.finish(operation)


def _waiting(domains: Iterable[Awaited]) -> str:
    return f"waiting for {', '.join(domain.name for domain in domains)}; Ctrl-C no longer waits"


def terminated(awaited: Iterable[Awaited], now: Iterable[DomainInfo]) -> list[Awaited]:
    """Those whose boot is over: nothing of that id is left, or what is left has shut down."""
    alive = {domain.domid for domain in now if domain.state not in _ENDED}
    return [domain for domain in awaited if domain.domid not in alive]


def is_taken_away(domain: Awaited, now: Iterable[DomainInfo]) -> bool:
    """Nothing of that boot is left in Xen."""
    return all(domain.domid != other.domid for other in now)


def after_reboot(domain: Awaited, now: Iterable[DomainInfo], *, looks: int) -> str:
    """What became of a domain whose boot is over, in xm's words; "" while that is not known.

    Args:
        looks: how often it has been seen to be away, this time included.
    """
    if any(other.uuid == domain.uuid and other.state not in _ENDED for other in now):
        return "rebooted"
    return "destroyed for failing to reboot" if looks > _LOOKS else ""
