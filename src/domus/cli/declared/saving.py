"""Domains into files and back, resets, and what happens on a host as it happens."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="save",
        usage="[-c] [--xl] DOM FILE",
        sentence="Save a domain into a file of its host, packed and with checksums, and take it away.",
        runs="saving:save",
        works="pv pvh hvm",
        tested="domains/test_lab_saving.py domains/test_guest_types.py",
        counts=(2, 4),
        options=(
            Option("c", "checkpoint", "Let the domain go on once it is saved."),
            Option("", "xl", "Write the file as xl does, so that xl can restore it."),
        ),
    ),
    Command(
        name="restore",
        usage="FILE [-p]",
        sentence="Bring back a domain that xm save, or xl save, put into a file of the host.",
        runs="saving:restore",
        works="pv pvh hvm",
        tested="domains/test_lab_saving.py domains/test_guest_types.py",
        counts=(1, 2),
        options=(Option("p", "paused", "Leave the domain paused."),),
    ),
    Command(
        name="suspend",
        usage="DOM",
        sentence="Save a managed domain to xend's own disk, and stop it.",
        runs="saving:suspend",
        works="pv",
        tested="system/test_managed.py",
        counts=(1, 1),
    ),
    Command(
        name="resume",
        usage="[-p] DOM",
        sentence="Bring a suspended managed domain back.",
        runs="saving:resume",
        works="pv",
        tested="system/test_managed.py",
        counts=(1, 2),
        options=(Option("p", "paused", "Leave the domain paused."),),
    ),
    Command(
        name="dump-core",
        usage="[-L] [-C|-R] DOM [FILE]",
        sentence="Write a domain's memory into an ELF core file, by default below /var/xen/dump.",
        runs="saving:dump_core",
        works="pv pvh hvm",
        tested="domains/test_lab_endings.py domains/test_guest_types.py",
        options=(
            Option("L", "live", "Let the domain run meanwhile."),
            Option("C", "crash", "Destroy the domain afterwards."),
            Option("R", "reset", "Reset the domain afterwards."),
        ),
    ),
    Command(
        name="reset",
        usage="DOM",
        sentence="Destroy a domain and build it again from the same configuration.",
        runs="saving:reset",
        works="pv",
        tested="domains/test_lab_endings.py",
        counts=(1, 1),
    ),
    Command(
        name="events",
        origin="domus",
        usage="[--follow] [--since=REV] [--json] [DOM]",
        sentence="Print what has happened on the host or to a domain, or what happens as it does.",
        runs="events:run",
        works="-",
        tested="domains/test_events.py cli/test_events.py",
        options=(
            Option("f", "follow", "Go on with what happens; without --since begin there."),
            Option("", "since", "Begin after this revision.", value="REV"),
            Option("", "json", "Print each event as one line of JSON."),
        ),
    ),
    Command(
        name="event-monitor",
        sentence="The same as 'xm events --follow'.",
        runs="events:monitor",
        options=(Option("", "json", "Print each event as one line of JSON."),),
        listed=False,
    ),
)
