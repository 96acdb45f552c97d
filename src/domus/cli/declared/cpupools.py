"""Cpupools."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_MAKING: Final = (
    Option("", "help_config", "Print the variables of a configuration file."),
    Option("", "path", "Where to look for the file; the default is .:/etc/xen/cpupool.", value="DIRS"),
    Option("f", "defconfig", "The configuration file; a bare word means the same.", value="FILE"),
    Option("F", "config", "Take the cpupool from an SXP file instead.", value="FILE"),
    Option("n", "dryrun", "Print in SXP what would be made, and make nothing."),
    Option("", "json", "Print the cpupool as JSON."),
)
_MAKING_USAGE: Final = "[CONFIGFILE] [options] [NAME=VALUE ...]"

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="cpupool-create",
        usage=_MAKING_USAGE,
        sentence="Make a cpupool of free CPUs.",
        runs="cpupools_making:create",
        works="-",
        tested="system/test_cpus.py",
        options=_MAKING,
    ),
    Command(
        name="cpupool-new",
        usage=_MAKING_USAGE,
        sentence="Define a managed cpupool, without starting it.",
        runs="cpupools_making:new",
        works="-",
        tested="system/test_cpus.py",
        options=_MAKING,
    ),
    Command(
        name="cpupool-start",
        usage="POOL",
        sentence="Make a managed cpupool that was defined.",
        runs="cpupools:start",
        works="-",
        tested="system/test_cpus.py",
        counts=(1, 1),
    ),
    Command(
        name="cpupool-list",
        usage="[-l] [-c] [POOL] [--json]",
        sentence="List cpupools.",
        runs="cpupools:list_pools",
        works="-",
        tested="system/test_cpus.py system/test_second_opinion.py",
        counts=(0, 3),
        options=(
            Option("l", "long", "Print all there is to say, in SXP."),
            Option("c", "cpus", "List their CPUs."),
            JSON,
        ),
    ),
    Command(
        name="cpupool-destroy",
        usage="POOL",
        sentence="Take a cpupool out of Xen; a managed one stays defined.",
        runs="cpupools:destroy",
        works="-",
        tested="system/test_cpus.py",
        counts=(1, 1),
    ),
    Command(
        name="cpupool-delete",
        usage="POOL",
        sentence="Forget a managed cpupool that is not active.",
        runs="cpupools:delete",
        works="-",
        tested="system/test_cpus.py",
        counts=(1, 1),
    ),
    Command(
        name="cpupool-rename",
        origin="xl",
        usage="POOL NEWNAME",
        sentence="Give a cpupool another name.",
        runs="cpupools:rename",
        works="-",
        tested="system/test_cpus.py",
        counts=(2, 2),
    ),
    Command(
        name="cpupool-cpu-add",
        usage="POOL CPU|CPUS|node:N",
        sentence="Put free CPUs into a cpupool.",
        runs="cpupools:cpu_add",
        works="-",
        tested="system/test_cpus.py",
        counts=(2, 2),
    ),
    Command(
        name="cpupool-cpu-remove",
        usage="POOL CPU|CPUS|node:N",
        sentence="Take CPUs out of a cpupool.",
        runs="cpupools:cpu_remove",
        works="-",
        tested="system/test_cpus.py",
        counts=(2, 2),
    ),
    Command(
        name="cpupool-migrate",
        usage="DOM POOL",
        sentence="Move a domain into a cpupool.",
        runs="cpupools:migrate",
        works="pv",
        tested="system/test_cpus.py",
        counts=(2, 2),
    ),
    Command(
        name="cpupool-numa-split",
        origin="xl",
        sentence="Give each NUMA node a cpupool of its own.",
        runs="cpupools:numa_split",
        works="-",
        tested="system/test_cpus.py",
        counts=(0, 0),
    ),
)
