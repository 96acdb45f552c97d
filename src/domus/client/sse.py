"""Server-sent events, the reading side (WHATWG HTML, 9.2.6): lines in, messages out, no socket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Message(NamedTuple):
    """One message of an event stream."""

    event: str  #: its type; "message" when the stream does not say
    data: str
    id: str  #: of this message, or of the last one that had one


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """The messages in a stream of lines; comments (the heartbeat) pass silently."""
    event, last_id = "", ""
    data: list[str] = []
    for raw in lines:
        line = raw.decode(errors="replace")
        if not line:
            if data:
                yield Message(event or "message", "\n".join(data), last_id)
            event, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            event = value
        elif field == "id":
            last_id = value
