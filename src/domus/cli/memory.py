"""`xm mem-set`, `mem-max`, `sharing` and `claims`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli.numbers import mebibytes

if TYPE_CHECKING:
    from domus.cli.options import Call


def mem_set(call: Call) -> int:
    """`xm mem-set DOM MEM [--persist]`; the guest takes its time, and xm does not wait for it."""
    name, text = _two(call)
    call.client.memory.set_target(name, mebibytes(call, text), persist=call.has("persist"))
    return 0


def mem_max(call: Call) -> int:
    """`xm mem-max DOM MEM [--persist]`."""
    name, text = _two(call)
    call.client.memory.set_max(name, mebibytes(call, text), persist=call.has("persist"))
    return 0


def sharing(call: Call) -> int:
    """`xm sharing [DOM]`, in xl's columns: MiB."""
    if len(call.words) > 1:
        raise call.wrong("'xm sharing' takes one domain, or none")
    uses = call.client.memory.use()
    if call.words:
        domid = call.client.domain(call.words[0]).domid
        uses = [use for use in uses if use.domid == domid]
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(uses))
        return 0
    print(f"{'Name':<40} {'ID':>5} {'Mem':>5} {'Shared':>6}")
    for use in uses:
        print(f"{use.name:<40} {use.domid:>5} {use.memory_kib // 1024:>5}  {use.shared_kib // 1024:>5}")
    return 0


def claims(call: Call) -> int:
    """`xm claims`: the table of `xm list`, and what is claimed, in MiB."""
    if call.words:
        raise call.wrong("'xm claims' takes no domain")
    uses = call.client.memory.use()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(uses))
        return 0
    from domus.cli.list import table

    claimed = {use.domid: use.claimed_kib // 1024 for use in uses}
    domains = [domain for domain in call.client.domains() if domain.domid in claimed]
    header, *rows = table(domains).splitlines()
    print(f"{header}  Claimed")
    for row, domain in zip(rows, domains, strict=True):
        print(f"{row}    {claimed[domain.domid or 0]:>5}")
    return 0


def _two(call: Call) -> tuple[str, str]:
    if len(call.words) != 2:
        raise call.wrong(f"'xm {call.command.name}' requires 2 arguments.")
    return call.words[0], call.words[1]
