"""`xm autostart`: which managed domains start with the host, and when."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.cli.progress import Progress
from domus.model.errors import Cancelled
from domus.model.managed import AutostartRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from domus.cli.options import Call
    from domus.model.managed import ManagedDomain
    from domus.model.operation import Operation

_ROW: Final = "{:<40} {:>5} {:>7} {:<9} {}"


def run(call: Call) -> int:
    """`xm autostart [DOM [--disable] [--order=N] [--delay=S] [--after=DOM ...]]`, or for all domains."""
    changes = [word for word in ("disable", "order", "delay", "after") if call.has(word)]
    whole = [word for word in ("start-all", "stop-all") if call.has(word)]
    if whole:
        if len(whole) > 1 or changes or call.words:
            raise call.wrong(f"--{whole[0]} is for all domains, and goes alone")
        return _all(call, whole[0])
    if not call.words:
        if changes:
            raise call.wrong(f"--{changes[0]} is for one domain", hint="xm autostart DOM ...")
        return _list(call)
    if len(call.words) > 1:
        raise call.wrong("'xm autostart' takes one domain")
    managed = call.client.managed.set_autostart(call.words[0], _request(call))
    if not managed.config.autostart:
        print(f"{managed.name} does not start with the host")
    else:
        print(f"{managed.name} starts with the host")
    return 0


def _request(call: Call) -> AutostartRequest:
    after = tuple(name for value in call.values("after") for name in value.split(",") if name)
    try:
        return AutostartRequest(
            enabled=not call.has("disable"),
            order=int(call.value("order")) if call.has("order") else None,
            delay_s=float(call.value("delay")) if call.has("delay") else None,
            after=after if call.has("after") else None,
        )
    except ValueError:
        raise call.wrong("Invalid argument.") from None


def _list(call: Call) -> int:
    managed = [each for each in call.client.managed.list() if _is_told(each)]
    if call.has("json"):
        from domus.cli.as_json import document

        rows = [
            {
                "name": each.name,
                "uuid": each.uuid,
                "autostart": each.config.autostart,
                "on_xend_stop": each.config.on_xend_stop,
                "order": each.config.start_order,
                "delay_s": each.config.start_delay_s,
                "after": each.config.start_after,
            }
            for each in managed
        ]
        sys.stdout.write(document(rows))
        return 0
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in _table(managed))
    return 0


def _is_told(managed: ManagedDomain) -> bool:
    return managed.config.autostart or managed.config.on_xend_stop != "ignore"


def _table(domains: Iterable[ManagedDomain]) -> Iterable[str]:
    yield _ROW.format("Name", "Order", "Delay", "Stop", "After")
    for each in sorted(domains, key=lambda each: (each.config.start_order, each.name)):
        order, delay = (
            (str(each.config.start_order), f"{each.config.start_delay_s:g}")
            if each.config.autostart
            else ("", "")
        )
        yield _ROW.format(
            each.name, order, delay, each.config.on_xend_stop, " ".join(each.config.start_after)
        )


def _all(call: Call, which: str) -> int:
    managed = call.client.managed
    begin: Callable[[], Operation] = managed.start_all if which == "start-all" else managed.stop_all
    operation = begin()
    try:
        with Progress() as progress:
            call.client.finish(operation, on_change=progress.show)
    except KeyboardInterrupt:
        raise Cancelled("interrupted; the host goes on with it") from None
    return 0
