"""The host: what it is, what it says; which hosts there are."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="info",
        usage="[KEY] [options]",
        sentence="Show the host: its hardware, its Xen, its memory; with KEY only that value.",
        runs="info:run",
        works="-",
        tested="system/test_commands.py system/test_second_opinion.py",
        counts=(0, 2),
        options=(
            Option("n", "numa", "Add where CPUs, memory and devices are."),
            Option("c", "config", "Show the daemon's settings instead."),
            JSON,
        ),
    ),
    Command(
        name="dmesg",
        usage="[-c]",
        sentence="Print the messages of the hypervisor.",
        runs="logs:dmesg",
        works="-",
        tested="system/test_commands.py",
        options=(Option("c", "clear", "Clear them once they are printed."),),
    ),
    Command(
        name="log",
        sentence="Print the log of xend.",
        runs="logs:log",
        works="-",
        tested="system/test_commands.py",
        counts=(0, 0),
    ),
    Command(
        name="host",
        origin="domus",
        usage="add NAME ADDRESS[:PORT] [options] | list [--json] | rm NAME",
        sentence="Add, list or forget the hosts that --host knows by name.",
        runs="host:run",
        works="-",
        tested="cli/test_host.py system/test_known_host.py",
        needs_host=False,
        options=(
            Option(
                "",
                "tls",
                "Folder with ca.crt, client.crt and client.key that the host's administrator issued;"
                " without it, certificates are made, and you are told where the host's half belongs.",
                value="DIR",
            ),
            Option("", "server-name", "The name in the host's certificate, if not NAME.", value="NAME"),
            Option("", "force", "Replace a host of that name."),
            JSON,
        ),
    ),
)
