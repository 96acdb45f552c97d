"""`xm list`: the table of domains, in the layout that scripts have parsed since Xen 3."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.model.domain import DomainInfo, RunState, ShutdownReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domus.cli.options import Call

#: xend's power states, which `--state` filters by
_POWER_STATES: Final = {
    RunState.RUNNING: "running",
    RunState.BLOCKED: "running",
    RunState.PAUSED: "paused",
    RunState.SHUTDOWN: "halted",
    RunState.CRASHED: "crashed",
    RunState.DYING: "halted",
    RunState.HALTED: "halted",
    RunState.SUSPENDED: "suspended",
}

_HEADER: Final = f"{'Name':<40} {'ID':>5} {'Mem':>5} {'VCPUs':>5} {'State':>10} {'Time(s)':>9}"


def run(call: Call) -> int:
    """`xm list [--long] [--label] [--state=STATE] [--pool=POOL] [--json] [DOM ...]`."""
    if call.has("vcpus"):
        from domus.cli.vcpus import vcpu_list

        print("xm list -v is deprecated.  Please use xm vcpu-list.", file=sys.stderr, flush=True)
        return vcpu_list(call)
    for option, what in (("state", "a state"), ("pool", "a pool")):
        if call.has(option) and call.words:
            raise call.wrong(f"You may specify either {what} or a particular VM, but not both")
    if call.has("long") and call.has("json"):
        raise call.wrong("--long prints SXP and --json prints JSON; one of them")
    domains = chosen(
        [call.client.domain(name) for name in call.words] if call.words else in_order(call.client.domains()),
        state=call.value("state", "all"),
        pool=call.value("pool") if call.has("pool") else None,
    )
    if call.has("long"):
        from domus.cli.long import long_list

        sys.stdout.write(long_list(call.client, domains))
    elif call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(domains))
    else:
        sys.stdout.write(labelled_table(domains) if call.has("label") else table(domains))
        if sys.stdout.isatty():
            sys.stdout.flush()
            sys.stderr.write(notes(domains))
    return 0


def notes(domains: Iterable[DomainInfo]) -> str:
    """What people see below the table: scripts, which parse it, never get this."""
    differing = [domain.name for domain in domains if domain.differs]
    if not differing:
        return ""
    return f"Not as configured: {', '.join(differing)} (xm config diff {differing[0]})\n"


def in_order(domains: Iterable[DomainInfo]) -> list[DomainInfo]:
    """Sorted by name, capitals first; two domains of one name (`xl` allows it) by id."""
    return sorted(domains, key=lambda domain: (domain.name, domain.domid or 0))


def chosen(domains: Iterable[DomainInfo], *, state: str = "all", pool: str | None = None) -> list[DomainInfo]:
    """Those in the power state `state`, whose case does not matter, and in the cpupool `pool`."""
    wanted = state.lower()
    return [
        domain
        for domain in domains
        if wanted in ("all", power_state(domain)) and pool in (None, domain.cpupool)
    ]


def power_state(domain: DomainInfo) -> str:
    """What xend would call its power state."""
    if domain.shutdown and domain.shutdown_reason is ShutdownReason.SUSPEND:
        return "suspended"
    return _POWER_STATES[domain.state]


def table(domains: Sequence[DomainInfo]) -> str:
    """Header and one row per domain."""
    return "".join(f"{line}\n" for line in (_HEADER, *map(_row, domains)))


def labelled_table(domains: Sequence[DomainInfo]) -> str:
    """The table with security labels, sorted by them, whatever their case."""
    lines = [f"{_HEADER} {'Label':<10}"]
    for domain in sorted(domains, key=lambda domain: domain.security_label.lower()):
        lines.append(f"{_row(domain)} {domain.security_label:>10}")
    return "".join(f"{line}\n" for line in lines)


def _row(domain: DomainInfo) -> str:
    domid = "" if domain.domid is None else domain.domid
    vcpus = domain.max_vcpus if domain.domid is None else domain.vcpus
    return (
        f"{domain.name:<40} {domid:>5} {domain.shown_memory_mib:>5} {vcpus:>5}"
        f" {domain.state_letters:>10} {domain.cpu_time_ns / 1e9:>8.1f}"
    )
