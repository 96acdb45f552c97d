"""The subcommands that this version can do, each declared once; `domus.cli.later` has the others."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option

JSON: Final = Option("", "json", "Print JSON, for programs.")

#: the languages of configuration files
LANGUAGES: Final = ("xm", "xl", "sxp", "json", "xml")

FORMAT: Final = Option(
    "",
    "format",
    f"The file's language: {', '.join(LANGUAGES)}; told by its content by default.",
    value="LANG",
    choices=LANGUAGES,
)

COMMANDS: Final[tuple[Command, ...]] = (
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
        name="help",
        usage="[SUBCOMMAND]",
        sentence="Show all subcommands, or the usage of one.",
        runs="help:run",
        needs_host=False,
        options=(
            Option("", "long", "Show all subcommands; the default."),
            Option("", "completion", "Print a script for tab completion; SHELL is bash.", value="SHELL"),
        ),
    ),
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
        name="pause",
        usage="DOM",
        sentence="Stop a domain's VCPUs; it keeps its memory.",
        runs="pause:pause",
        counts=(1, 1),
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
        name="unpause",
        usage="DOM",
        sentence="Let a paused domain run.",
        runs="pause:unpause",
        counts=(1, 1),
    ),
    Command(
        name="domstate",
        usage="DOM",
        sentence="Print the state of a domain in one word.",
        runs="identity:domstate",
        counts=(1, 1),
    ),
    Command(
        name="dmesg",
        usage="[-c]",
        sentence="Print the messages of the hypervisor.",
        runs="logs:dmesg",
        options=(Option("c", "clear", "Clear them once they are printed."),),
    ),
    Command(
        name="info",
        usage="[KEY] [options]",
        sentence="Show the host: its hardware, its Xen, its memory; with KEY only that value.",
        runs="info:run",
        counts=(0, 2),
        options=(
            Option("n", "numa", "Add the topology of CPUs and memory.", later=True),
            Option("c", "config", "Show the daemon's settings instead.", later=True),
            JSON,
        ),
    ),
    Command(
        name="log",
        sentence="Print the log of xend.",
        runs="logs:log",
        counts=(0, 0),
    ),
    Command(
        name="check",
        usage="[options] FILE|DIR ...",
        sentence="Check configuration files: every mistake in them, with its place; nothing is created.",
        runs="check:run",
        needs_host=False,
        options=(Option("", "path", "Where to look for the files.", value="DIRS"), FORMAT, JSON),
    ),
    Command(
        name="convert",
        usage="FILE --to=LANG [options] [NAME=VALUE ...]",
        sentence="Write a configuration file in another language.",
        runs="convert:run",
        needs_host=False,
        options=(
            Option(
                "",
                "to",
                f"The language to write: {', '.join(LANGUAGES)}.",
                value="LANG",
                choices=LANGUAGES,
            ),
            FORMAT,
            Option("", "path", "Where to look for the file.", value="DIRS"),
            Option("o", "output", "Write into this file, which must not exist.", value="OUT"),
            Option("", "force", "Replace OUT if it exists."),
        ),
    ),
    Command(
        name="schema",
        sentence="Print the JSON schema of the variables of configuration files.",
        runs="schema:run",
        needs_host=False,
        counts=(0, 0),
    ),
    Command(
        name="host",
        usage="add NAME ADDRESS[:PORT] [options] | list [--json] | rm NAME",
        sentence="Add, list or forget the hosts that --host knows by name.",
        runs="host:run",
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
    Command(
        name="lab",
        usage="image|up|down|list|shell|log|rm|disk ...",
        sentence="Run real Xen hosts inside QEMU on this machine; 'xm lab' tells how.",
        runs="lab:run",
        needs_host=False,
        raw=True,
    ),
)

#: old names that still work, with a line that tells the new one
ALIASES: Final = {
    "balloon": "mem-set",
    "set-vcpus": "vcpu-set",
    "vif-list": "network-list",
    "vbd-create": "block-attach",
    "vbd-destroy": "block-detach",
    "vbd-list": "block-list",
} | {
    f"pool-{verb}": f"cpupool-{verb}"
    for verb in ("create", "new", "start", "list", "destroy", "delete", "cpu-add", "cpu-remove", "migrate")
}

#: commands of ours that xm did not have: they may not make an old prefix ambiguous
_OURS: Final = frozenset({"check", "convert", "schema", "host", "lab"})

_SHORTEST_PREFIX: Final = 2


def find(name: str) -> Command | None:
    """The subcommand that `name` stands for: its name, an alias, or a prefix that fits only one."""
    for command in COMMANDS:
        if command.name == name:
            return command
    from domus.cli.later import LATER

    everything = {command.name: command for command in (*COMMANDS, *LATER)}
    name = ALIASES.get(name, name)
    if name in everything:
        return everything[name]
    if len(name) < _SHORTEST_PREFIX:
        return None
    fits = [known for known in everything if known.startswith(name) and known not in _OURS | {"help"}]
    return everything[fits[0]] if len(fits) == 1 else None
