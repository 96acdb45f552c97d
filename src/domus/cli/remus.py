"""`xm remus`: a domain is kept on another host, too, until one of the two is lost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.cli.carry_out import carry_out
from domus.cli.migrate import number, partner
from domus.cli.privileged import DOM0_NAMES
from domus.model.errors import BadInput
from domus.model.migration import ReplicateRequest

if TYPE_CHECKING:
    from domus.cli.options import Call

_INTERVAL_MS: Final = 200  # as xl has it

_NO_EFFECT: Final = {
    "uncompressed": "-u has no effect: xend packs all that it sends",
    "no-wait": "-e has no effect: xend does the work, and xm only looks on",
    "ssh": "-s has no effect: xend speaks to xend, in TLS",
}


def run(call: Call) -> int:
    """`xm remus DOM HOST`: goes on until a host is lost, the domain ends, or Ctrl-C."""
    if call.has("colo") or call.has("proxy"):
        raise BadInput("COLO is not supported: it takes a proxy that no Linux has", hint="without -c: Remus")
    nowhere = call.has("blackhole")
    if len(call.words) not in ((1, 2) if nowhere else (2,)):
        raise call.wrong("Invalid number of arguments")
    name, host = call.words[0], call.words[-1]
    if name in DOM0_NAMES:
        raise call.wrong(f"Cannot replicate privileged domain {name}")
    request = ReplicateRequest(
        to=None if nowhere else partner(host, number(call, "port", most=65535)),
        interval_ms=number(call, "interval", least=1) if call.has("interval") else _INTERVAL_MS,
        network_buffering=not call.has("no-net"),
        network_script=call.value("net-script", ""),
        disk_replication=not call.has("no-disks"),
        unsafe=call.has("unsafe"),
        failover_s=number(call, "failover", least=1) if call.has("failover") else 0,
    )
    for option, told in _NO_EFFECT.items():
        if call.has(option):
            print(f"Warning: {told}", file=sys.stderr)
    there = "" if nowhere else f", and nothing of it is left on {host}"
    carry_out(
        call.client,
        lambda: call.client.migration.replicate(name, request),
        undone=f"domain {name} runs on here{there}",
    )
    return 0
