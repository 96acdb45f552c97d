"""Domains: made, listed, named, paused, ended."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import FORMAT, JSON

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="list",
        usage="[options] [DOM ...]",
        sentence="List domains, or the named ones; Mem is the memory in MiB that each is meant to have.",
        runs="list:run",
        options=(
            Option("l", "long", "Print the whole configuration in SXP."),
            Option("", "label", "Add the security label."),
            Option(
                "",
                "state",
                "Only domains in STATE: all, halted, paused, running, suspended, crashed or unknown.",
                value="STATE",
            ),
            Option("", "pool", "Only domains in this cpupool.", value="POOL"),
            Option("v", "vcpus", "Deprecated: use 'xm vcpu-list'."),
            JSON,
        ),
    ),
    Command(
        name="create",
        usage="[CONFIGFILE] [options] [NAME=VALUE ...]",
        sentence="Create a domain from a configuration file and start it.",
        runs="create:run",
        options=(
            Option("q", "quiet", "Print nothing unless something is wrong."),
            Option("", "path", "Where to look for the file; the default is .:/etc/xen.", value="DIRS"),
            Option("f", "defconfig", "The configuration file; a bare word means the same.", value="FILE"),
            Option("F", "config", "Take the domain from an SXP file instead.", value="FILE"),
            FORMAT,
            Option("n", "dryrun", "Print in SXP what would be created, and create nothing."),
            Option("", "json", "With -n: print it as JSON instead."),
            Option("p", "paused", "Leave the domain paused once it is built."),
            Option("c", "console_autoconnect", "Attach to the console, before the domain starts to run."),
            Option("", "help_config", "Print the variables of a configuration file."),
            Option("x", "xmldryrun", "Print as XML what would be created, and create nothing."),
            Option("s", "skipdtd", "Changes nothing: there is no check against a DTD to skip."),
            Option("", "vncviewer", "Start a VNC viewer for the domain.", later=True),
            Option("", "vncviewer-autopass", "Hand the VNC password to the viewer.", later=True),
        ),
    ),
    Command(
        name="destroy",
        usage="DOM",
        sentence="Take a domain away at once, as if its power were cut.",
        runs="destroy:run",
        counts=(1, 1),
    ),
    Command(
        name="shutdown",
        usage="[-a] [-w] [-H|-R] [DOM]",
        sentence="Ask a domain to shut down.",
        runs="shutdown:shutdown",
        counts=(1, 4),
        options=(
            Option("a", "all", "Every running domain but Domain-0."),
            Option("w", "wait", "Wait until they have ended."),
            Option("H", "halt", "Ask for a halt without power off."),
            Option("R", "reboot", "Ask for a reboot."),
        ),
    ),
    Command(
        name="reboot",
        usage="[-a] [-w] [DOM]",
        sentence="Ask a domain to reboot.",
        runs="shutdown:reboot",
        counts=(1, 3),
        options=(
            Option("a", "all", "Every running domain but Domain-0."),
            Option("w", "wait", "Wait until they have rebooted."),
        ),
    ),
    Command(
        name="pause",
        usage="DOM",
        sentence="Stop a domain's VCPUs; it keeps its memory.",
        runs="pause:pause",
        counts=(1, 1),
    ),
    Command(
        name="unpause",
        usage="DOM",
        sentence="Let a paused domain run.",
        runs="pause:unpause",
        counts=(1, 1),
    ),
    Command(
        name="console",
        usage="[-q] [-r] [-n N] DOM",
        sentence="Attach to the domain's console; Ctrl-] leaves it.",
        runs="console:run",
        counts=(1, 5),
        options=(
            Option("q", "quiet", "Say nothing when the domain is missing or not running."),
            Option("n", "num", "Console number N; 0 is the first.", value="N"),
            Option("r", "read-only", "Watch only: nothing that is typed reaches the domain."),
        ),
    ),
    Command(
        name="domid",
        usage="DOM",
        sentence="Print the id of a domain.",
        runs="identity:domid",
        counts=(1, 1),
    ),
    Command(
        name="domname",
        usage="DOM",
        sentence="Print the name of a domain.",
        runs="identity:domname",
        counts=(1, 1),
    ),
    Command(
        name="domstate",
        usage="DOM",
        sentence="Print the state of a domain in one word.",
        runs="identity:domstate",
        counts=(1, 1),
    ),
)
