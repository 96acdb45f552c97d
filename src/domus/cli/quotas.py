"""`xm xenstore-quota-get`, `xm xenstore-quota-set`, with xl's table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domus.cli.options import Call


def get(call: Call) -> int:
    """`xm xenstore-quota-get DOM|-g [-u] [--json]`."""
    reference, rest = _whose(call)
    if rest:
        raise call.wrong(f"unexpected {rest[0][:40]!r}")
    found = call.client.quotas.get(reference)
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(found))
        return 0
    print(f"{'Quota name':<20} {'Quota value'}")
    for each in found:
        print(f"{each.name:<20} {each.value:>8}")
    return 0


def put(call: Call) -> int:
    """`xm xenstore-quota-set DOM|-g QUOTA=N ...`."""
    reference, rest = _whose(call)
    values = {}
    for word in rest:
        name, equals, text = word.partition("=")
        if not equals or not text.isascii() or not text.isdigit():
            raise call.wrong(f"{word[:40]!r} is not QUOTA=NUMBER")
        values[name] = int(text)
    if not values:
        raise call.wrong("no QUOTA=NUMBER is given")
    call.client.quotas.set(values, reference)
    return 0


def _whose(call: Call) -> tuple[str | None, tuple[str, ...]]:
    """The domain, or None for all guests; and the words that follow."""
    words = tuple(call.words)
    if call.has("global"):
        return None, words
    if not words:
        raise call.wrong("no domain is given", hint="-g: all guests")
    return words[0], words[1:]
