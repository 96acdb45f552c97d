"""`xm shutdown` and `xm reboot`: ask guests to end, and wait until they have."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from domus.cli.privileged import DOM0_NAMES
from domus.cli.progress import Progress
from domus.model.api import ShutdownKind
from domus.model.domain import DomainInfo, RunState
from domus.model.errors import BadInput, DomainNotFound, DomusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from domus.cli.options import Call
    from domus.client import Client

#: seconds between two looks at the host while something has ended, and it is not known yet what becomes of it
_PAUSE: Final = 1.0

#: waits at the beginning that last no longer than that in any case
_FIRST_WAITS: Final = 3

#: seconds after which to look even though nothing has happened
_SILENCE: Final = 30.0

#: looks for which a rebooting domain may be away before it counts as destroyed, as xm had it
_LOOKS: Final = 30

#: looks after which a domain that has shut down, and is still there, counts as one that is preserved
_PRESERVED: Final = 5

_RUNNING: Final = frozenset({RunState.RUNNING, RunState.BLOCKED})
_ENDED: Final = frozenset(
    {RunState.SHUTDOWN, RunState.CRASHED, RunState.DYING, RunState.HALTED, RunState.SUSPENDED}
)


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
        if call.words:
            raise BadInput(f"-a means every domain; for '{call.words[0]}' alone leave it out")
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
    waiting, ended, news = list(domains), Ended(), News(client)
    with Progress() as progress:
        while True:
            now = client.domains()
            for domain in terminated(waiting, now):
                if is_taken_away(domain, now) or ended.looks(domain) > _PRESERVED:
                    progress.say(f"Domain {domain.name} terminated")
                    waiting.remove(domain)
            if not waiting:
                break
            progress.show(_waiting(waiting))
            news.wait(_PAUSE if ended.any_of(waiting) else None)
    print("All domains terminated")


def wait_for_reboots(client: Client, domains: Sequence[Awaited]) -> None:
    """Wait until each domain runs under a new id, or has stayed away for too long, and tell it."""
    waiting, ended, news = list(domains), Ended(), News(client)
    with Progress() as progress:
        while True:
            now = client.domains()
            for domain in terminated(waiting, now):
                verdict = after_reboot(domain, now, looks=ended.looks(domain))
                if verdict:
                    progress.say(f"Domain {domain.name} {verdict}")
                    waiting.remove(domain)
            if not waiting:
                break
            progress.show(_waiting(waiting))
            news.wait(_PAUSE if ended.any_of(waiting) else None)
    settle(client, {domain.uuid for domain in domains})
    print("All domains rebooted")


class Ended:
    """For how many seconds boots have been over: xm counted its looks, one a second."""

    def __init__(self) -> None:
        self._since: dict[Awaited, float] = {}

    def looks(self, domain: Awaited) -> int:
        """How often it would have been seen to be over, now included."""
        now = time.monotonic()
        return int(now - self._since.setdefault(domain, now)) + 1

    def any_of(self, domains: Iterable[Awaited]) -> bool:
        """One of them is over, and what becomes of it not known yet."""
        return any(domain in self._since for domain in domains)


class News:
    """Tells when something has happened on a host, so that nobody has to look again and again.

    The events come in a thread of their own; should they not, `wait` is a pause of a second.
    """

    def __init__(self, client: Client) -> None:
        self._come = threading.Event()
        self._broken = False
        self._waits = 0
        threading.Thread(target=self._follow, args=(client,), name="news", daemon=True).start()

    def wait(self, within: float | None) -> None:
        """Wait for news, or for so many seconds; then look."""
        # At first the events may not flow yet; and nobody shall wait for ever for one that was lost.
        self._waits += 1
        if self._broken or self._waits <= _FIRST_WAITS:
            within = _PAUSE
        self._come.wait(within or _SILENCE)
        self._come.clear()

    def _follow(self, client: Client) -> None:
        try:
            for _ in client.events():
                self._come.set()
        except DomusError:
            self._broken = True
            self._come.set()


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
