"""`xm events`: what happens on a host, once and in order."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from domus.model.errors import BadInput, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from domus.cli.options import Call
    from domus.client import Client
    from domus.model.operation import Event

#: seconds for which a xend that is being restarted is waited for
_BACK_WITHIN: Final = 30.0

#: the kind of event by which a domain is another host's; detail "to"
MOVED_AWAY: Final = "domain.moved-away"


def run(call: Call) -> int:
    """`xm events [--follow] [--since=REV] [--json] [DOM]`."""
    if len(call.words) > 1:
        raise call.wrong("Invalid number of arguments")
    since, client = _revision(call), call.client
    reference = call.words[0] if call.words else ""
    if not call.has("follow"):
        events = client.events(since or 0, follow=False)
        return _print(call, _known(client, events, reference) if reference else events)
    if not reference:
        return _print(call, follow(client, since))
    if since is None:
        reference = client.domain(reference).uuid  # or where it went
    return _print(call, until_moved(of_domain(follow(client, since), reference)))


def monitor(call: Call) -> int:
    """`xm event-monitor`, as `xm events --follow`."""
    return _print(call, follow(call.client, None))


def follow(client: Client, since: int | None) -> Iterator[Event]:
    """Events for ever; a xend that is restarted meanwhile is waited for, and nothing is lost.

    Raises:
        Unreachable: it stayed away.
    """
    gone_since: float | None = None
    while True:
        try:
            for event in client.events(since):
                since, gone_since = event.revision, None
                yield event
        except Unreachable:
            gone_since = gone_since or time.monotonic()
            if time.monotonic() - gone_since > _BACK_WITHIN:
                raise
            time.sleep(1)


def of_domain(events: Iterable[Event], reference: str) -> Iterator[Event]:
    """Those that are about one domain, by its uuid, or by the name or ID that it had."""
    for event in events:
        domid = "" if event.domid is None else str(event.domid)
        if reference in (event.uuid, event.domain, domid):
            yield event


def _known(client: Client, events: Iterable[Event], reference: str) -> Iterator[Event]:
    """As `of_domain`; a domain of which nothing is told must at least be there, else DomainNotFound."""
    event = None
    for event in of_domain(events, reference):
        yield event
    if event is None:
        client.domain(reference)


def until_moved(events: Iterable[Event]) -> Iterator[Event]:
    """The events of one domain, up to that by which it is another host's: nothing follows here."""
    for event in events:
        yield event
        if event.kind == MOVED_AWAY:
            there, name = event.detail.get("to", ""), event.domain
            sys.stdout.flush()
            told = f"{name} goes on on {there}: xm --host {there} events --follow {name}"
            print(f"Note: {told}", file=sys.stderr)
            return


def line(event: Event) -> str:
    """An event as people read it."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time))
    domain = event.domain + (f" (id {event.domid})" if event.domid is not None else "")
    details = " ".join(f"{name}={_quoted(value)}" for name, value in event.detail.items())
    return f"{stamp} {event.revision:>6} {event.kind:<18} {domain} {details}".rstrip()


def _quoted(value: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in value)
    return f'"{shown}"' if " " in shown or not shown else shown


def _print(call: Call, events: Iterator[Event]) -> int:
    if call.has("json"):
        import msgspec

        for event in events:
            sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
            sys.stdout.flush()
        return 0
    for event in events:
        print(line(event), flush=True)
    return 0


def _revision(call: Call) -> int | None:
    if not call.has("since"):
        return None
    text = call.value("since")
    if not (text.isascii() and text.isdigit()):
        raise BadInput(f"invalid revision {text[:40]!r}", hint="a number, as the second column has it")
    return int(text)
