"""Managed domains: defined, started, named, changed, forgotten."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import FORMAT, JSON, LANGUAGES

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="new",
        usage="[CONFIGFILE] [options] [NAME=VALUE ...]",
        sentence="Define a managed domain, without starting it.",
        runs="managed:new",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        options=(
            Option("q", "quiet", "Print nothing unless something is wrong."),
            Option("", "path", "Where to look for the file; the default is .:/etc/xen.", value="DIRS"),
            Option("f", "defconfig", "The configuration file; a bare word means the same.", value="FILE"),
            Option("F", "config", "Take the domain from an SXP file instead.", value="FILE"),
            FORMAT,
            Option("n", "dryrun", "Print in SXP what would be defined, and define nothing."),
            Option("", "json", "With -n: print it as JSON instead."),
            Option("p", "paused", "Changes nothing, as it never did: nothing is started."),
            Option("c", "console_autoconnect", "Changes nothing, as it never did: nothing is started."),
            Option("", "help_config", "Print the variables of a configuration file."),
            Option("x", "xmldryrun", "Print as XML what would be defined, and define nothing."),
            Option("s", "skipdtd", "Changes nothing: there is no check against a DTD to skip."),
            Option("", "vncviewer", "Changes nothing, as it never did: nothing is started."),
            Option("", "vncviewer-autopass", "Changes nothing, as it never did: nothing is started."),
        ),
    ),
    Command(
        name="start",
        usage="[-p] [-c] DOM",
        sentence="Start a managed domain.",
        runs="managed:start",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        options=(
            Option("p", "paused", "Leave the domain paused once it is built."),
            Option("c", "console_autoconnect", "Attach to the console, before the domain starts to run."),
            Option("", "vncviewer", "Start a VNC viewer for the domain, and go on."),
            Option("", "vncviewer-autopass", "As --vncviewer, and hand the VNC password to the viewer."),
        ),
    ),
    Command(
        name="delete",
        usage="DOM",
        sentence="Forget a managed domain, which must not run, and its history.",
        runs="managed:delete",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        counts=(1, 1),
    ),
    Command(
        name="rename",
        usage="DOM NEWNAME",
        sentence="Give a domain another name, whether it runs or not.",
        runs="managed:rename",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        counts=(2, 2),
    ),
    Command(
        name="adopt",
        usage="DOM",
        sentence="Take a running domain under management, whoever made it.",
        runs="managed:adopt",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        counts=(1, 1),
    ),
    Command(
        name="edit",
        usage="[options] DOM",
        sentence="Change the kept configuration of a managed domain in an editor.",
        runs="edit:run",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        counts=(1, 5),
        options=(
            Option(
                "",
                "format",
                f"The language to edit it in: {', '.join(LANGUAGES)}; the default is xm.",
                value="LANG",
                choices=LANGUAGES,
            ),
            Option("", "from", "Begin with the text in this file.", value="FILE"),
        ),
    ),
    Command(
        name="config",
        usage="show|set|history|revert|diff DOM ...",
        sentence="Show or change what is kept of a managed domain, and what was kept before.",
        runs="config:run",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        options=(
            Option(
                "",
                "format",
                f"The language: {', '.join(LANGUAGES)}; show writes xm by default.",
                value="LANG",
                choices=LANGUAGES,
            ),
            Option("", "revision", "Show what was kept as this revision.", value="N"),
            Option("", "path", "Where to look for the file that is set.", value="DIRS"),
            JSON,
        ),
    ),
    Command(
        name="autostart",
        usage="[DOM [--disable] [--order=N] [--delay=S] [--after=DOM ...]]",
        sentence="Say which managed domains start with the host, and when; alone: list them.",
        runs="autostart:run",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        options=(
            Option("", "disable", "Do not start it with the host."),
            Option("", "order", "Start it after all of a lower order; 0 by default.", value="N"),
            Option("", "delay", "Wait S seconds before it is started.", value="S"),
            Option(
                "", "after", "Start it after this domain; may be repeated; empty: after none.", value="DOM"
            ),
            Option("", "start-all", "Start now what starts with the host and does not run."),
            Option("", "stop-all", "End all domains now, as when the host stops."),
            JSON,
        ),
    ),
    Command(
        name="export",
        usage="[FILE]",
        sentence="Write all managed domains, with their histories, as one JSON document.",
        runs="transfer:export",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        counts=(0, 2),
        options=(Option("", "force", "Replace FILE if it exists."),),
    ),
    Command(
        name="import",
        usage="FILE [--force|--skip]",
        sentence="Take in the managed domains of an export: all of them, or none.",
        runs="transfer:take_in",
        works="pv",
        tested="system/test_managed.py domains/test_managed_on_xen.py",
        counts=(1, 2),
        options=(
            Option("", "force", "Replace what is kept of those that are there."),
            Option("", "skip", "Leave out those that are there."),
        ),
    ),
)
