"""Buttons and keys of domains and of Xen; how long domains have been running."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="uptime",
        usage="[-s] [DOM ...] [--json]",
        sentence="Print how long domains have been running.",
        runs="uptime:run",
        works="pv pvh hvm",
        tested="system/test_cpus.py system/test_second_opinion.py",
        options=(Option("s", "short", "One line each, without header and seconds."), JSON),
    ),
    Command(
        name="sysrq",
        usage="DOM LETTER",
        sentence="Send a system request to a domain's kernel.",
        runs="debugging:sysrq",
        works="pv pvh hvm",
        tested="system/test_cpus.py domains/test_guest_types.py",
        counts=(2, 2),
    ),
    Command(
        name="qemu-monitor-command",
        origin="xl",
        usage="DOM COMMAND",
        sentence="Run a command in the monitor of a domain's QEMU, such as 'info block'.",
        runs="debugging:qemu_monitor_command",
        works="hvm",
        tested="system/test_hvm.py",
    ),
    Command(
        name="trigger",
        usage="DOM nmi|reset|init|s3resume|power|sleep [VCPU]",
        sentence="Send an event to a domain, or to one of its VCPUs.",
        runs="debugging:trigger",
        works="",
        tested="system/test_hvm.py",
        counts=(2, 3),
    ),
    Command(
        name="button-press",
        origin="xl",
        usage="DOM power|sleep",
        sentence="Press a button of a domain: the same as 'xm trigger'.",
        runs="debugging:trigger",
        works="",
        tested="system/test_hvm.py",
        counts=(2, 2),
    ),
    Command(
        name="debug-keys",
        usage="KEYS",
        sentence="Send debug keys to Xen; read the answer with 'xm dmesg'.",
        runs="debugging:debug_keys",
        works="-",
        tested="system/test_cpus.py",
        counts=(1, 1),
    ),
    Command(
        name="set-parameters",
        origin="xl",
        usage="NAME=VALUE ...",
        sentence="Change parameters of Xen's command line while it runs.",
        runs="debugging:set_parameters",
        works="-",
        tested="system/test_cpus.py",
    ),
    Command(
        name="dt-overlay",
        origin="xl",
        usage="add|remove FILE | attach FILE DOM",
        sentence="Change the host's device tree, or give a domain what an overlay brought (Arm).",
        runs="debugging:dt_overlay",
        works="",
        tested="domains/test_xenstore_quotas.py",
        counts=(2, 3),
        listed=False,
    ),
    Command(
        name="vm-list",
        origin="xl",
        usage="[--json]",
        sentence="List guests with their UUIDs.",
        runs="debugging:vm_list",
        works="pv pvh hvm",
        tested="system/test_cpus.py system/test_second_opinion.py",
        options=(JSON,),
    ),
)
