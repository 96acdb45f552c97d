"""`xm vcpu-list`, `vcpu-pin` and `vcpu-set`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.cli.numbers import integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from domus.cli.options import Call
    from domus.model.vcpus import DomainVcpus, Vcpu, VcpuTable

_HEADER: Final = f"{'Name':<32} {'ID':>5} {'VCPU':>5} {'CPU':>5} {'State':>5} {'Time(s)':>9} CPU Affinity"

#: what xl and xm call an affinity that is not to be changed
_AS_IT_IS: Final = "-"


def vcpu_list(call: Call) -> int:
    """`xm vcpu-list [DOM ...] [--json]`."""
    table = asked(call, call.words)
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(table))
    else:
        sys.stdout.write(text(table))
    return 0


def asked(call: Call, names: Sequence[str]) -> VcpuTable:
    """The VCPUs of the named domains, or of all of them."""
    from domus.model.vcpus import VcpuTable

    vcpus = call.client.vcpus
    if not names:
        return vcpus.all()
    tables = [vcpus.of(name) for name in names]
    domains = tuple(domain for table in tables for domain in table.domains)
    return VcpuTable(cpus=tables[0].cpus, domains=domains)


def text(table: VcpuTable) -> str:
    """Header and one row per VCPU."""
    rows = [row for domain in table.domains for row in _rows(domain, table.cpus)]
    return "".join(f"{line}\n" for line in (_HEADER, *rows))


def _rows(domain: DomainVcpus, cpus: Sequence[int]) -> Iterator[str]:
    for vcpu in domain.vcpus:
        affinity = shown_cpus(vcpu.affinity, cpus)
        # xm knew no soft affinity: it is only shown where there is one.
        if not set(vcpu.affinity) <= set(vcpu.soft_affinity):
            affinity = f"{affinity} / {shown_cpus(vcpu.soft_affinity, cpus)}"
        domid = "" if domain.domid is None else domain.domid
        cpu, state = "", ""
        if domain.domid is not None:
            cpu = "-" if vcpu.cpu is None else str(vcpu.cpu)
            state = _state(vcpu)
        yield (
            f"{domain.name:<32} {domid:>5} {vcpu.vcpu:>5} {cpu:>5} {state:>5}"
            f"  {vcpu.time_ns / 1e9:>8.1f} {affinity}"
        )


def _state(vcpu: Vcpu) -> str:
    if not vcpu.online:
        return "--p"
    return ("r" if vcpu.running else "-") + ("b" if vcpu.blocked else "-") + "-"


def shown_cpus(numbers: Sequence[int], cpus: Sequence[int]) -> str:
    """CPUs in xm's words: "any cpu" when it is all of the host's, else ranges as in `0-1,3`."""
    if not numbers:
        return "no cpus"
    return "any cpu" if set(cpus) <= set(numbers) else ranges(numbers)


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, with neighbours as ranges: `0-2,5`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def vcpu_pin(call: Call) -> int:
    """`xm vcpu-pin [-f] DOM VCPU|all CPUS|all|- [SOFT|all|-] [--persist]`."""
    from domus.model.vcpus import PinRequest

    if len(call.words) not in (3, 4):
        raise call.wrong("'xm vcpu-pin' requires 3 arguments, or 4 with a soft affinity.")
    name, vcpu, hard, soft = (*call.words, _AS_IT_IS)[:4]
    if hard == soft == _AS_IT_IS:
        raise call.wrong("Invalid argument.", hint="neither hard nor soft affinity is given")
    for cpus in (hard, soft):
        check_cpus(call, cpus)
    request = PinRequest(
        vcpu=None if vcpu == "all" else integer(call, vcpu),
        hard=None if hard == _AS_IT_IS else hard,
        soft=None if soft == _AS_IT_IS else soft,
        force=call.has("force"),
        persist=call.has("persist"),
    )
    call.client.vcpus.pin(name, request)
    return 0


def check_cpus(call: Call, cpus: str) -> None:
    """Refuse what can be no list of CPUs, with xm's message.

    Raises:
        UsageError: as it says.
    """
    import re

    item = r"\^?(?:(?:nodes?:)?\d+(?:-\d+)?|(?:nodes?:)?all)"
    if cpus != _AS_IT_IS and not re.fullmatch(rf"\s*{item}(?:\s*,\s*{item})*\s*", cpus, re.ASCII):
        raise call.wrong("Invalid argument.", hint=f"{cpus[:40]!r} is no list of CPUs such as 0-3,^1")


def vcpu_set(call: Call) -> int:
    """`xm vcpu-set [-i] DOM N [--persist]`; the guest takes its time, and xm does not wait for it."""
    if len(call.words) != 2:
        raise call.wrong("'xm vcpu-set' requires 2 arguments.")
    online = integer(call, call.words[1])
    call.client.vcpus.set_online(call.words[0], online, persist=call.has("persist"))
    return 0
