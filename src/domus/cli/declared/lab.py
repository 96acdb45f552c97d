"""The lab: real Xen hosts inside QEMU."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_HYPERVISOR: Final = Option(
    "",
    "hypervisor",
    "Which Xen: 'debian', Debian's package, or 'full', its source built with shadow paging and FLASK.",
    value="XEN",
    choices=("debian", "full"),
)
_SUITE: Final = Option(
    "",
    "suite",
    "Which Debian: 'trixie' (13, Xen 4.20), the default, or 'bookworm' (12, Xen 4.17).",
    value="SUITE",
    choices=("trixie", "bookworm"),
)


def _verb(name: str, usage: str, sentence: str, runs: str, *options: Option, raw: bool = False) -> Command:
    return Command(
        name=f"lab {name}",
        usage=usage,
        sentence=sentence,
        runs=runs,
        options=options,
        needs_host=False,
        raw=raw,
    )


_VERBS: Final = (
    _verb(
        "up",
        "[NAME] [--hosts N] [--memory MiB] [--cpus N] [--suite trixie|bookworm] [--hypervisor debian|full]",
        "Start a lab host and wait until its xend answers; the first time, build what it needs.",
        "lab:up",
        Option("", "hosts", "Start so many: NAME, NAME2, NAME3..., which share a disk.", value="N"),
        Option("", "memory", "Memory of the whole host, 1024 or more; 1536 by default.", value="MiB"),
        Option("", "cpus", "CPUs of the host, 1 to 16; 2 by default.", value="N"),
        _SUITE,
        _HYPERVISOR,
    ),
    _verb(
        "down",
        "[HOST ...] [-a]",
        "Pull the plug of a lab host; its domains are gone with it.",
        "lab:down",
        Option("a", "all", "All that run."),
    ),
    _verb("list", "", "List the lab hosts.", "lab:list_all", JSON),
    _verb(
        "shell",
        "[HOST] [-- COMMAND ...]",
        "Run a shell, or one command, in the host's domain 0; the exit status is the command's.",
        "lab:shell",
        raw=True,  # what stands behind -- is the command's
    ),
    _verb(
        "log",
        "[HOST]",
        "Print what Xen, dom0 and QEMU wrote to the host's serial console and log.",
        "lab:log",
    ),
    _verb("rm", "HOST ...", "Power a lab host off and forget it, its log and its certificate.", "lab:remove"),
    _verb(
        "disk add",
        "FILE [--hosts HOST,...] [--read-only]",
        "Plug a disk image of this machine into lab hosts, like a LUN of a SAN.",
        "lab:disk_add",
        Option("", "hosts", "The hosts that get it; by default the one named lab.", value="HOST,..."),
        Option("", "read-only", "They may not write it."),
    ),
    _verb("disk list", "[HOST]", "List what is plugged.", "lab:disk_list", JSON),
    _verb(
        "disk rm",
        "FILE [--hosts HOST,...]",
        "Unplug a disk image.",
        "lab:disk_remove",
        Option("", "hosts", "The hosts that lose it; by default the one named lab.", value="HOST,..."),
    ),
    _verb(
        "net show",
        "[HOST ...]",
        "Show what is wrong with the network of running lab hosts.",
        "lab_net:show",
        JSON,
    ),
    _verb(
        "net delay",
        "HOST TIME [JITTER]",
        "Delay what a host and its guests send into the LAN, for example by 50ms, or 50ms 10ms.",
        "lab_net:delay",
    ),
    _verb("net loss", "HOST PERCENT", "Lose a share of what they send, for example 2%.", "lab_net:loss"),
    _verb("net rate", "HOST RATE", "Send no faster than so much, for example 10mbit.", "lab_net:rate"),
    _verb(
        "net cut",
        "HOST",
        "Pull the host's LAN cable: nothing passes either way, and no connection is told.",
        "lab_net:cut",
    ),
    _verb("net heal", "[HOST ...]", "Undo all of it; without HOST, on all that run.", "lab_net:heal"),
    _verb(
        "image build",
        "[--suite trixie|bookworm] [--hypervisor full]",
        "Build the host image of this version of Domus, and its other hypervisor, unless there.",
        "lab_image:build",
        _SUITE,
        _HYPERVISOR,
    ),
    _verb("image list", "", "List the host images and hypervisors.", "lab_image:show", JSON),
    _verb("image rm", "NAME ...", "Remove host images and hypervisors.", "lab_image:remove"),
    _verb(
        "guest",
        "FOLDER [--suite trixie|bookworm]",
        "Put a small guest there: a kernel, an initial RAM disk, a disk (see examples/hello.cfg).",
        "lab:guest",
        _SUITE,
    ),
)

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="lab",
        origin="domus",
        usage="image|up|down|list|shell|log|rm|disk|net|guest ...",
        sentence="Run real Xen hosts inside QEMU on this machine.",
        runs="lab:run",
        works="-",
        tested="lab/test_hosts.py lab/test_impairments.py",
        needs_host=False,
        raw=True,
        verbs=_VERBS,
    ),
)
