"""Memory, VCPUs and scheduling of domains."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON, PERSIST

_DOMAIN: Final = Option("d", "domain", "Of this domain only.", value="DOM")
_WEIGHT: Final = Option("w", "weight", "Set the weight, from 1 to 65535; 256 is usual.", value="N")
_CAP: Final = Option("c", "cap", "Set the cap in percent of one CPU; 0 is none.", value="N")
_POOL: Final = Option("p", "cpupool", "Of this cpupool only.", value="POOL")
_WHOLE_POOL: Final = Option("s", "schedparam", "Show or set parameters of cpupools instead.")
_RATELIMIT: Final = Option("r", "ratelimit_us", "With -s: set the rate limit, in us; 0 is none.", value="US")

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="mem-set",
        usage="DOM MEM [--persist]",
        sentence="Set the memory that a domain shall have now, in MiB or as in 512m, 2g.",
        runs="memory:mem_set",
        works="pv pvh hvm",
        tested="system/test_cpus.py domains/test_guest_types.py",
        counts=(2, 2),
        options=(PERSIST,),
    ),
    Command(
        name="mem-max",
        usage="DOM MEM [--persist]",
        sentence="Set the most memory that a domain may own, in MiB or as in 512m, 2g.",
        runs="memory:mem_max",
        works="pv",
        tested="system/test_cpus.py",
        counts=(2, 2),
        options=(PERSIST,),
    ),
    Command(
        name="sharing",
        origin="xl",
        usage="[DOM] [--json]",
        sentence="List how much of their memory domains share.",
        runs="memory:sharing",
        works="pv pvh hvm",
        tested="system/test_cpus.py system/test_second_opinion.py",
        options=(JSON,),
    ),
    Command(
        name="claims",
        origin="xl",
        usage="[--json]",
        sentence="List domains with the memory that is reserved for them while they are built.",
        runs="memory:claims",
        works="pv pvh hvm",
        tested="system/test_cpus.py system/test_second_opinion.py",
        options=(JSON,),
    ),
    Command(
        name="vcpu-list",
        usage="[DOM ...] [--json]",
        sentence="List the VCPUs of domains: where they run, and where they may.",
        runs="vcpus:vcpu_list",
        works="pv pvh hvm",
        tested="system/test_cpus.py system/test_second_opinion.py",
        options=(JSON,),
    ),
    Command(
        name="vcpu-pin",
        usage="[-f] DOM VCPU|all CPUS|all|- [SOFT|all|-] [--persist]",
        sentence="Say on which CPUs a VCPU may run, as in 0-3,^1 or node:1; SOFT: where it prefers to.",
        runs="vcpus:vcpu_pin",
        works="pv pvh hvm",
        tested="system/test_cpus.py domains/test_guest_types.py",
        counts=(3, 6),
        options=(
            Option("f", "force", "Also when Xen has pinned the VCPU for a while."),
            Option("", "ignore-global-affinity-masks", "Changes nothing: there are no such masks."),
            PERSIST,
        ),
    ),
    Command(
        name="vcpu-set",
        usage="[-i] DOM N [--persist]",
        sentence="Set how many VCPUs of a domain are online.",
        runs="vcpus:vcpu_set",
        works="pv pvh hvm",
        tested="system/test_cpus.py domains/test_guest_types.py system/test_hvm.py",
        counts=(2, 3),
        options=(
            Option("i", "ignore-host", "Changes nothing: there may be more VCPUs than the host has CPUs."),
            PERSIST,
        ),
    ),
    Command(
        name="sched-credit",
        usage="[-d DOM [-w N] [-c N] [--persist]] [-s [-t MS] [-r US] [-m US]] [-p POOL] [--json]",
        sentence="Show or set parameters of the credit scheduler.",
        runs="scheduling:credit",
        works="pv",
        tested="system/test_cpus.py",
        options=(
            _DOMAIN,
            _WEIGHT,
            _CAP,
            _POOL,
            _WHOLE_POOL,
            Option("t", "tslice_ms", "With -s: set the time slice, in ms.", value="MS"),
            _RATELIMIT,
            Option("m", "migration_delay_us", "With -s: set the migration delay, in us.", value="US"),
            PERSIST,
            JSON,
        ),
    ),
    Command(
        name="sched-credit2",
        usage="[-d DOM [-w N] [-c N] [--persist]] [-s [-r US]] [-p POOL] [--json]",
        sentence="Show or set parameters of the credit2 scheduler.",
        runs="scheduling:credit2",
        works="pv pvh hvm",
        tested="system/test_cpus.py domains/test_guest_types.py system/test_second_opinion.py",
        options=(_DOMAIN, _WEIGHT, _CAP, _POOL, _WHOLE_POOL, _RATELIMIT, PERSIST, JSON),
    ),
    Command(
        name="sched-rtds",
        origin="xl",
        usage="[-d DOM [-v VCPU|all ...] [-p US] [-b US] [-e 0|1] [--persist]] [-c POOL] [--json]",
        sentence="Show or set parameters of the real-time (RTDS) scheduler.",
        runs="scheduling:rtds",
        options=(
            _DOMAIN,
            Option("v", "vcpuid", "Of this VCPU, or of all; may be repeated.", value="VCPU"),
            Option("p", "period", "Set the period, in us.", value="US"),
            Option("b", "budget", "Set the CPU time in each period, in us.", value="US"),
            Option("e", "extratime", "Set whether it may have what nobody else wants.", value="0|1"),
            Option("c", "cpupool", "Of this cpupool only.", value="POOL"),
            PERSIST,
            JSON,
        ),
    ),
)
