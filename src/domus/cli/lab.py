"""`xm lab`: real Xen hosts inside QEMU, on this machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from domus.cli import verbs
from domus.lab import DEFAULT_NAME as DEFAULT
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.lab.host import LabHost


def run(call: Call) -> int:
    """`xm lab VERB ...`."""
    return verbs.run(call)


def up(call: Call) -> int:
    """`xm lab up`."""
    from domus.lab import accel
    from domus.lab.host import LabHost
    from domus.lab.progress import terminal
    from domus.lab.record import Hypervisor, Shape, Suite

    name = _one(call) or DEFAULT
    count = _number(call, "hosts", 1, 1, 16)
    chosen, why = accel.choose()
    together = [name if number == 1 else f"{name}{number}" for number in range(1, count + 1)]
    for host in map(LabHost, together):
        before = host.shape  # what is not asked for stays as it was
        shape = Shape(
            memory_mib=_number(call, "memory", before.memory_mib, 1024, 65536),
            cpus=_number(call, "cpus", before.cpus, 1, 16),
            hypervisor=Hypervisor(call.value("hypervisor", before.hypervisor)),
            suite=Suite(call.value("suite", before.suite)),
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


def down(call: Call) -> int:
    """`xm lab down`."""
    from domus.lab.host import LabHost, hosts

    chosen = [host for host in hosts() if host.running] if call.has("all") else None
    for host in chosen if chosen is not None else [LabHost(name) for name in call.words or [DEFAULT]]:
        print(f"Lab host {host.name} is off." if host.down() else f"Lab host {host.name} was off already.")
    left = [] if call.words or chosen is not None else [host.name for host in hosts() if host.running]
    if left:
        print(f"Still running: {', '.join(left)} ('xm lab down -a' takes all).", file=sys.stderr)
    return 0


def remove(call: Call) -> int:
    """`xm lab rm`."""
    from domus.lab.host import LabHost

    if not call.words:
        raise call.wrong("'xm lab rm' needs the name of a host")
    for name in call.words:
        LabHost(name).remove()
    return 0


def list_all(call: Call) -> int:
    """`xm lab list`."""
    from domus.lab import identity, record

    rows = [(record.read(name), record.running(name)) for name in record.names()]
    if call.has("json"):
        _print_json(
            [
                {
                    "name": known.name,
                    "running": running,
                    "address": identity.address(known.number),
                    "api_port": known.api_port if running else None,
                    "memory_mib": known.shape.memory_mib,
                    "cpus": known.shape.cpus,
                    "suite": known.shape.suite,
                    "hypervisor": known.shape.hypervisor,
                    "accelerator": known.accelerator,
                    "pid": known.process.pid if running and known.process else None,
                }
                for known, running in rows
            ]
        )
        return 0
    print(
        f"{'Name':<20} {'State':<8} {'Address':<12} {'Mem':>6} {'CPUs':>5} {'Suite':<9} {'Xen':<7}"
        f" {'Accel':<6} {'API port':>8}"
    )
    for known, running in rows:
        print(
            f"{known.name:<20} {'running' if running else 'off':<8} {identity.address(known.number):<12}"
            f" {known.shape.memory_mib:>6} {known.shape.cpus:>5} {known.shape.suite:<9}"
            f" {known.shape.hypervisor:<7} {known.accelerator or '-':<6}"
            f" {known.api_port if running else '-':>8}"
        )
    return 0


def shell(call: Call) -> int:
    """`xm lab shell`."""
    from domus.lab import record, shell

    before, command = call.words, list[str]()
    if "--" in before:
        at = before.index("--")
        before, command = before[:at], before[at + 1 :]
    if len(before) > 1:
        raise call.wrong(f"one host at a time: {' '.join(before)}", hint="a command follows --")
    name = before[0] if before else DEFAULT
    record.read(name)
    return shell.interact(record.folder(name), command or ["bash", "--login"])


def log(call: Call) -> int:
    """`xm lab log`."""
    from domus.lab import record

    name = _one(call) or DEFAULT
    record.read(name)
    for file in ("qemu.log", "console.log"):
        path = record.folder(name) / file
        if path.exists():
            sys.stdout.write(path.read_text(errors="replace"))
    return 0


def disk_add(call: Call) -> int:
    """`xm lab disk add`."""
    from domus.lab import disks

    path = Path(_needed(call, "a file"))
    for name in _hosts(call):
        print(f"{name}: {disks.lend(name, path, call.has('read-only'))}")
    return 0


def disk_list(call: Call) -> int:
    """`xm lab disk list`."""
    from domus.lab import disks

    found = disks.luns(_one(call) or DEFAULT)
    if call.has("json"):
        _print_json(
            [{"target": f"lun:{lun.serial}", "path": lun.path, "read_only": lun.read_only} for lun in found]
        )
        return 0
    for lun in found:
        print(f"lun:{lun.serial}  {'r' if lun.read_only else 'w'}  {lun.path}")
    return 0


def disk_remove(call: Call) -> int:
    """`xm lab disk rm`."""
    from domus.lab import disks

    path = Path(_needed(call, "a file"))
    for name in _hosts(call):
        disks.take_back(name, path)
    return 0


def guest(call: Call) -> int:
    """`xm lab guest`."""
    from domus.lab import guest
    from domus.lab.progress import terminal
    from domus.lab.record import Suite, usual_suite

    folder = Path(_needed(call, "a folder"))
    suite = Suite(call.value("suite", usual_suite()))
    with terminal() as report:
        guest.make(folder, report, suite)
    print(f"Small guest in {folder}: kernel, initrd, disk.img")
    return 0


def _one(call: Call) -> str:
    if len(call.words) > 1:
        raise call.wrong(f"one host at a time: {' '.join(call.words)}")
    return call.words[0] if call.words else ""


def _needed(call: Call, what: str) -> str:
    if len(call.words) != 1:
        raise call.wrong(f"'xm {call.command.name}' needs {what}")
    return call.words[0]


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.value(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise BadInput(f"--{name} {text}: a whole number from {least} to {most} is needed")
    return int(text)


def _hosts(call: Call) -> list[str]:
    return [name for name in call.value("hosts", DEFAULT).split(",") if name]


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())
