"""What happens on the host, as a stream that can be resumed without loss."""

from __future__ import annotations

from domus.daemon.routes.endpoint import EVENTS, Call, Endpoint, Query, number
from domus.daemon.sse import EventStream, message
from domus.model.errors import NotFound
from domus.model.operation import Event


async def events(call: Call) -> EventStream[Event]:
    """From a revision on, or from now on."""
    last_seen = call.request.headers.get("last-event-id")
    since = number(last_seen, "Last-Event-ID") if last_seen else call.number("since")
    return EventStream(
        call.xend.domains.events.subscribe(since, follow=call.flag("follow", default=True)),
        lambda event: message(event, id=event.revision),
        stopping=call.xend.stopping,
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/events",
        events,
        "Events of this host, each once and in order. The header Last-Event-ID counts more than `since`.",
        answer=Event,
        media=EVENTS,
        query=(
            Query("since", int, "the revision after which to begin; without it: from now on"),
            Query("follow", bool, "go on with what happens; on by default, 0: end with what has happened"),
        ),
        errors=(NotFound,),
    ),
)
