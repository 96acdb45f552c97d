"""Domains to other hosts."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="migrate",
        usage="[-l] DOM HOST",
        sentence="Move a domain to another host, with all that is kept of it.",
        runs="migrate:run",
        options=(
            Option("l", "live", "Let the domain run while its memory is sent."),
            Option("", "dry-run", "Only say what would be in the way, on both hosts."),
            Option("", "json", "Print what --dry-run, or --list, finds as JSON."),
            Option("", "bandwidth", "Send no more than this.", value="MIB/S"),
            Option("", "assume-shared", "Disks of the same path are the same on both hosts."),
            Option(
                "",
                "copy-storage",
                "Copy disks that are not shared while the domain runs: all of each, or what differs there.",
                value="whole|incremental",
                choices=("whole", "incremental"),
            ),
            Option("", "cancel", "Stop the move of DOM that is under way."),
            Option(
                "",
                "decide",
                "Say where DOM is, after an accident that the hosts cannot clear up.",
                value="WHERE",
                choices=("here", "there"),
            ),
            Option("", "list", "List the moves that the host remembers."),
            Option("p", "port", "TLS port of the other host's xend.", value="PORT"),
            Option("s", "ssl", "Always so: accepted for old scripts."),
            Option("r", "resource", "Send no more than this: xm's --bandwidth.", value="MBIT/S"),
            Option("c", "change_home_server", "Always so: what is kept of a managed domain moves with it."),
            Option("n", "node", "NUMA node on the other host; it chooses by itself.", value="NODE"),
            Option(
                "",
                "max-iterations",
                "Pause it after so many rounds of a live move; never more than libxl's 5.",
                value="ROUNDS",
            ),
            Option(
                "",
                "downtime-limit",
                "Pause it as soon as the rest of its memory is expected to need no longer.",
                value="MS",
            ),
        ),
    ),
    Command(
        name="remus",
        origin="xl",
        usage="[-F] [-b] [-n] [-d] [-i MS] DOM [HOST]",
        sentence="Keep a copy of a domain on another host, checkpoint by checkpoint.",
        runs="remus:run",
        listed=False,
        works="pvh",
        tested="domains/test_replication_on_xen.py",
        options=(
            Option("i", "interval", "Let it run so long between checkpoints; 200 ms by default.", value="MS"),
            Option("F", "unsafe", "Do it although disks, network or host are left out."),
            Option("b", "blackhole", "Send checkpoints nowhere: shows what they cost."),
            Option("n", "no-net", "Do not hold back what it sends until the checkpoint behind it is there."),
            Option("d", "no-disks", "Do not replicate its disks; else they are DRBD's."),
            Option("N", "net-script", "Sets up what holds packets back; Xen's by default.", value="SCRIPT"),
            Option("", "failover", "Let it run there after S seconds without an answer.", value="S"),
            Option("", "port", "TLS port of the other host's xend.", value="PORT"),
            Option("u", "uncompressed", "Has no effect: xend packs all that it sends."),
            Option("e", "no-wait", "Has no effect: xend does the work, and xm only looks on."),
            Option("s", "ssh", "Has no effect: xend speaks to xend, in TLS.", value="COMMAND"),
            Option("c", "colo", "COLO: not supported."),
            Option("p", "proxy", "Of COLO: not supported."),
        ),
    ),
)
