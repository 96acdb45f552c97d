"""`xm lab`: real Xen hosts inside QEMU, on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus.cli import lab_image, lab_net
from domus.cli.command import Command, Option
from domus.cli.options import UsageError, parse
from domus.lab import DEFAULT_NAME as DEFAULT
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.lab.host import LabHost

Values = dict[str, list[str]]

_JSON: Final = Option("", "json", "Print JSON, for programs.")

UP = Command(
    name="lab up",
    usage="[NAME] [--hosts N] [--memory MiB] [--cpus N] [--hypervisor debian|full]",
    sentence="Start a lab host and wait until its xend answers; the first time, build what it needs.",
    options=(
        Option("", "hosts", "Start so many: NAME, NAME2, NAME3..., which share a disk.", value="N"),
        Option("", "memory", "Memory of the whole host, 1024 or more; 1536 by default.", value="MiB"),
        Option("", "cpus", "CPUs of the host, 1 to 16; 2 by default.", value="N"),
        lab_image.HYPERVISOR,
    ),
)
DOWN = Command(
    name="lab down",
    usage="[NAME ...] [-a]",
    sentence="Pull the plug of a lab host; its domains are gone with it.",
    options=(Option("a", "all", "All that run."),),
)
REMOVE = Command(
    name="lab rm",
    usage="NAME ...",
    sentence="Power a lab host off and forget it, its log and its certificate.",
)
LIST = Command(name="lab list", sentence="List the lab hosts.", options=(_JSON,))
SHELL = Command(
    name="lab shell",
    usage="[NAME] [-- COMMAND ...]",
    sentence="Run a shell, or one command, in the host's domain 0; the exit status is the command's.",
)
LOG = Command(
    name="lab log",
    usage="[NAME]",
    sentence="Print what Xen, dom0 and QEMU wrote to the host's serial console and log.",
)
DISK_ADD = Command(
    name="lab disk add",
    usage="FILE [--hosts NAME,...] [--read-only]",
    sentence="Plug a disk image of this machine into lab hosts, like a LUN of a SAN.",
    options=(
        Option("", "hosts", "The hosts that get it; by default the one named lab.", value="NAME,..."),
        Option("", "read-only", "They may not write it."),
    ),
)
DISK_LIST = Command(name="lab disk list", usage="[NAME]", sentence="List what is plugged.", options=(_JSON,))
DISK_REMOVE = Command(
    name="lab disk rm",
    usage="FILE [--hosts NAME,...]",
    sentence="Unplug a disk image.",
    options=(Option("", "hosts", "The hosts that lose it; by default the one named lab.", value="NAME,..."),),
)
GUEST = Command(
    name="lab guest",
    usage="FOLDER",
    sentence="Put a small guest there: a kernel, an initial RAM disk, a disk (see examples/hello.cfg).",
)


def run(call: Call) -> int:
    """`xm lab VERB ...`."""
    words = call.arguments
    for length in (2, 1):
        row = _VERBS.get(" ".join(words[:length])) if len(words) >= length else None
        if row is not None:
            return _verb(row, words[length:])
    wrong = bool(words) and words[0] not in ("-h", "--help", "help")
    if wrong:
        print(f"Error: 'xm lab {words[0]}' is not a subcommand of xm lab.", file=sys.stderr)
    _overview()
    return 1 if wrong else 0


def _verb(row: tuple[Command, Callable[[Values, list[str]], int]], arguments: list[str]) -> int:
    command, action = row
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "-h" in before or "--help" in before:
        from domus.cli.help import usage

        sys.stdout.write(usage(command))
        return 0
    values, words = parse(command, before)
    return action(values, [*words, *arguments[len(before) :]])


def _overview() -> None:
    print("Usage: xm lab <verb> [args]\n\nReal Xen hosts inside QEMU, on this machine.\n")
    for command, _ in _VERBS.values():
        print(f"  {command.name} {command.usage}".rstrip())
        print(f"      {command.sentence}")


def _up(values: Values, words: list[str]) -> int:
    from domus.lab import accel
    from domus.lab.host import LabHost
    from domus.lab.progress import terminal
    from domus.lab.record import Shape

    name = _one(UP, words) or DEFAULT
    count = _number(UP, values, "hosts", 1, 1, 16)
    chosen, why = accel.choose()
    together = [name if number == 1 else f"{name}{number}" for number in range(1, count + 1)]
    for host in map(LabHost, together):
        before = host.shape  # what is not asked for stays as it was
        shape = Shape(
            memory_mib=_number(UP, values, "memory", before.memory_mib, 1024, 65536),
            cpus=_number(UP, values, "cpus", before.cpus, 1, 16),
            hypervisor=lab_image.chosen(values, before.hypervisor),
        )
        begun = time.monotonic()
        with terminal() as report:
            started = host.up(shape, report)
        if started:
            if why and host.name == name:
                print(f"Emulating without KVM, which is some 15 times slower: {why}.", file=sys.stderr)
            took = time.monotonic() - begun
            print(f"Lab host {host.name} is up after {took:.1f} s ({chosen.value}): {_address(host)}")
        else:
            print(f"Lab host {host.name} runs already: {_address(host)}")
    if count > 1:
        from domus.lab import disks

        shared = disks.lend_shared(together)
        print(f"Shared disk of all {count}: lun:{shared.serial} ({disks.SHARED_MIB} MiB, {shared.path})")
    return 0


def _address(host: LabHost) -> str:
    from domus.lab import identity

    return f"{identity.address(host.record.number)} on the lab's LAN"


def _down(values: Values, words: list[str]) -> int:
    from domus.lab.host import LabHost, hosts

    chosen = [host for host in hosts() if host.running] if "all" in values else None
    for host in chosen if chosen is not None else [LabHost(name) for name in words or [DEFAULT]]:
        print(f"Lab host {host.name} is off." if host.down() else f"Lab host {host.name} was off already.")
    left = [] if words or chosen is not None else [host.name for host in hosts() if host.running]
    if left:
        print(f"Still running: {', '.join(left)} ('xm lab down -a' takes all).", file=sys.stderr)
    return 0


def _remove(_: Values, words: list[str]) -> int:
    from domus.lab.host import LabHost

    if not words:
        raise UsageError("'xm lab rm' needs the name of a host", command=REMOVE)
    for name in words:
        LabHost(name).remove()
    return 0


def _list(values: Values, _: list[str]) -> int:
    from domus.lab import identity, record

    rows = [(record.read(name), record.running(name)) for name in record.names()]
    if "json" in values:
        _print_json(
            [
                {
                    "name": known.name,
                    "running": running,
                    "address": identity.address(known.number),
                    "api_port": known.api_port if running else None,
                    "memory_mib": known.shape.memory_mib,
                    "cpus": known.shape.cpus,
                    "accelerator": known.accelerator,
                    "pid": known.process.pid if running and known.process else None,
                }
                for known, running in rows
            ]
        )
        return 0
    print(f"{'Name':<20} {'State':<8} {'Address':<12} {'Mem':>6} {'CPUs':>5} {'Accel':<6} {'API port':>8}")
    for known, running in rows:
        print(
            f"{known.name:<20} {'running' if running else 'off':<8} {identity.address(known.number):<12}"
            f" {known.shape.memory_mib:>6} {known.shape.cpus:>5} {known.accelerator or '-':<6}"
            f" {known.api_port if running else '-':>8}"
        )
    return 0


def _shell(_: Values, words: list[str]) -> int:
    from domus.lab import record, shell

    before, command = words, list[str]()
    if "--" in words:
        before, command = words[: words.index("--")], words[words.index("--") + 1 :]
    name = _one(SHELL, before) or DEFAULT
    record.read(name)
    return shell.interact(record.folder(name), command or ["bash", "--login"])


def _log(_: Values, words: list[str]) -> int:
    from domus.lab import record

    name = _one(LOG, words) or DEFAULT
    record.read(name)
    for file in ("qemu.log", "console.log"):
        path = record.folder(name) / file
        if path.exists():
            sys.stdout.write(path.read_text(errors="replace"))
    return 0


def _disk_add(values: Values, words: list[str]) -> int:
    from domus.lab import disks

    path = Path(_needed(DISK_ADD, words, "a file"))
    for name in _hosts(values):
        print(f"{name}: {disks.lend(name, path, 'read-only' in values)}")
    return 0


def _disk_list(values: Values, words: list[str]) -> int:
    from domus.lab import disks

    found = disks.luns(_one(DISK_LIST, words) or DEFAULT)
    if "json" in values:
        _print_json(
            [{"target": f"lun:{lun.serial}", "path": lun.path, "read_only": lun.read_only} for lun in found]
        )
        return 0
    for lun in found:
        print(f"lun:{lun.serial}  {'r' if lun.read_only else 'w'}  {lun.path}")
    return 0


def _disk_remove(values: Values, words: list[str]) -> int:
    from domus.lab import disks

    path = Path(_needed(DISK_REMOVE, words, "a file"))
    for name in _hosts(values):
        disks.take_back(name, path)
    return 0


def _guest(_: Values, words: list[str]) -> int:
    from domus.lab import guest
    from domus.lab.progress import terminal

    folder = Path(_needed(GUEST, words, "a folder"))
    with terminal() as report:
        guest.make(folder, report)
    print(f"Small guest in {folder}: kernel, initrd, disk.img")
    return 0


def _one(command: Command, words: list[str]) -> str:
    if len(words) > 1:
        raise UsageError(f"one host at a time: {' '.join(words)}", command=command)
    return words[0] if words else ""


def _needed(command: Command, words: list[str], what: str) -> str:
    if len(words) != 1:
        raise UsageError(f"'xm {command.name}' needs {what}", command=command)
    return words[0]


def _number(command: Command, values: Values, name: str, default: int, least: int, most: int) -> int:
    text = values.get(name, [str(default)])[-1]
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BadInput(f"--{name} {text}: a whole number from {least} to {most} is needed")
    return int(text)


def _hosts(values: Values) -> list[str]:
    return [name for name in values.get("hosts", [DEFAULT])[-1].split(",") if name]


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())


_VERBS: Final[dict[str, tuple[Command, Callable[[Values, list[str]], int]]]] = {
    "up": (UP, _up),
    "down": (DOWN, _down),
    "list": (LIST, _list),
    "shell": (SHELL, _shell),
    "log": (LOG, _log),
    "rm": (REMOVE, _remove),
    "disk add": (DISK_ADD, _disk_add),
    "disk list": (DISK_LIST, _disk_list),
    "disk rm": (DISK_REMOVE, _disk_remove),
    "net show": (lab_net.SHOW, lab_net.show),
    "net delay": (lab_net.DELAY, lab_net.delay),
    "net loss": (lab_net.LOSS, lab_net.loss),
    "net rate": (lab_net.RATE, lab_net.rate),
    "net cut": (lab_net.CUT, lab_net.cut),
    "net heal": (lab_net.HEAL, lab_net.heal),
    "image build": (lab_image.BUILD, lab_image.build),
    "image list": (lab_image.LIST, lab_image.show),
    "image rm": (lab_image.REMOVE, lab_image.remove),
    "guest": (GUEST, _guest),
}
