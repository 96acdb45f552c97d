"""`xm cpupool-list` and the subcommands that change cpupools, or move domains between them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.cpupool import CpupoolInfo

_HEADER: Final = "Name               CPUs   Sched     Active   Domain count"
_CPUS_HEADER: Final = "Name             CPU list"

#: what xm called the host that a cpupool is on; there was ever only one
_NO_UUID: Final = "00000000-0000-0000-0000-000000000000"


def list_pools(call: Call) -> int:
    """`xm cpupool-list [-l] [-c] [POOL] [--json]`."""
    if len(call.words) > 1:
        raise call.wrong("'xm cpupool-list' takes one cpupool, or none")
    cpupools = call.client.cpupools
    pools = [cpupools.get(call.words[0])] if call.words else cpupools.list()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(pools))
    elif call.has("long"):
        from domus.config.sxp.printer import pretty

        sys.stdout.write("".join(pretty(form(pool)) for pool in pools))
    else:
        sys.stdout.write(cpu_table(pools) if call.has("cpus") else table(pools))
    return 0


def table(pools: list[CpupoolInfo]) -> str:
    """One row per cpupool."""
    rows = [
        f"{pool.name:<16}   {_number(pool):>3}  {pool.scheduler:>8}"
        f"       {'y' if pool.is_active else 'n'}          {len(pool.domains)}"
        for pool in pools
    ]
    return "".join(f"{line}\n" for line in (_HEADER, *rows))


def cpu_table(pools: list[CpupoolInfo]) -> str:
    """The CPUs of each cpupool."""
    rows = [f"{pool.name:<16} {','.join(map(str, pool.cpus)) or '-'}" for pool in pools]
    return "".join(f"{line}\n" for line in (_CPUS_HEADER, *rows))


def form(pool: CpupoolInfo) -> list[Any]:
    """The nested lists of `--long`, in the order that xm's tables had by chance."""
    wanted = pool.wanted
    proposed = wanted.cpus.split(",") if wanted is not None and wanted.cpus else list(pool.cpus)
    other = [] if wanted is None else [[name, value] for name, value in wanted.other.items()]
    return [
        pool.uuid or _NO_UUID,
        ["host_CPU_numbers", *pool.cpus],
        ["sched_policy", pool.scheduler],
        ["started_VM_names", *pool.domains],
        ["other_config", *other],
        ["name_label", pool.name],
        ["activated", str(pool.is_active)],
        ["ncpu", _number(pool)],
        ["proposed_CPUs", *proposed],
        ["auto_power_on", 0],
        ["name_description", pool.name],
        ["uuid", pool.uuid or _NO_UUID],
    ]


def _number(pool: CpupoolInfo) -> int:
    """How many CPUs it has; of one that is not active, how many it shall have, as far as that is known."""
    if pool.is_active or pool.wanted is None:
        return len(pool.cpus)
    if pool.wanted.cpu_count is not None:
        return pool.wanted.cpu_count
    from domus.config.cpupool import numbers

    return len(numbers(pool.wanted.cpus)) if pool.wanted.cpus else 1


def start(call: Call) -> int:
    """`xm cpupool-start POOL`."""
    call.client.cpupools.start(*_words(call, 1))
    return 0


def destroy(call: Call) -> int:
    """`xm cpupool-destroy POOL`."""
    call.client.cpupools.destroy(*_words(call, 1))
    return 0


def delete(call: Call) -> int:
    """`xm cpupool-delete POOL`."""
    call.client.cpupools.delete(*_words(call, 1))
    return 0


def rename(call: Call) -> int:
    """`xm cpupool-rename POOL NEWNAME`."""
    pool, name = _words(call, 2)
    call.client.cpupools.rename(pool, name)
    return 0


def cpu_add(call: Call) -> int:
    """`xm cpupool-cpu-add POOL CPU|CPUS|node:N`."""
    pool, cpus = _cpus(call)
    call.client.cpupools.add_cpus(pool, cpus)
    return 0


def cpu_remove(call: Call) -> int:
    """`xm cpupool-cpu-remove POOL CPU|CPUS|node:N`."""
    pool, cpus = _cpus(call)
    call.client.cpupools.remove_cpus(pool, cpus)
    return 0


def migrate(call: Call) -> int:
    """`xm cpupool-migrate DOM POOL`."""
    domain, pool = _words(call, 2)
    call.client.cpupools.move(domain, pool)
    return 0


def numa_split(call: Call) -> int:
    """`xm cpupool-numa-split`."""
    call.client.cpupools.split()
    return 0


def _cpus(call: Call) -> tuple[str, str]:
    from domus.cli.vcpus import check_cpus

    pool, cpus = _words(call, 2)
    check_cpus(call, cpus)
    return pool, cpus


def _words(call: Call, number: int) -> list[str]:
    if len(call.words) != number:
        raise call.wrong(f"'xm {call.command.name}' requires {number} arguments.")
    return call.words
