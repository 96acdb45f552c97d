"""The lab hosts that are measured, and what is asked of them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import XM
from domus.client import Client
from domus.lab import guest
from domus.lab.host import LabHost
from domus.lab.record import Shape
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig
from domus.model.operation import Operation

#: the host that most is measured on
NAME = "bench"
#: where its small guest's kernel and RAM disk are
KERNEL, RAMDISK = "/root/kernel", "/root/initrd"

#: times a command inside dom0, in seconds, without the way to it
_TIMER = (
    "import subprocess,sys,time;t=time.monotonic();"
    "d=subprocess.run(sys.argv[1:],capture_output=True);"
    "print(time.monotonic()-t);sys.stderr.buffer.write(d.stderr);sys.exit(d.returncode)"
)


def small_guest(host: LabHost) -> None:
    """Put the small guest's kernel and RAM disk there."""
    files = guest.make(Path(os.environ["DOMUS_LAB"]) / "small guest")
    for name, path in (("kernel", KERNEL), ("initrd", RAMDISK)):
        host.put((files / name).read_bytes(), path)


@contextmanager
def running(*names: str, shape: Shape | None = None) -> Iterator[tuple[LabHost, ...]]:
    """Hosts that are up while the block lasts: others would be measured too."""
    hosts = tuple(LabHost(name) for name in names)
    try:
        for host in hosts:
            host.up(shape) if shape else host.up()
        yield hosts
    finally:
        for host in hosts:
            host.remove()


def in_dom0(host: LabHost, *argv: str, within: float = 120) -> float:
    """Seconds that a command took inside dom0."""
    return float(host.run(["python3", "-c", _TIMER, *argv], within=within).stdout)


def xm(*words: str) -> None:
    """Run xm as a user does."""
    subprocess.run([XM, *words], check=True, stdout=subprocess.DEVNULL)


def seconds(done: Operation) -> float:
    """That an operation took."""
    assert done.ended is not None
    return done.ended - done.started


def until_up(client: Client, name: str) -> None:
    """Wait until the small guest says that it is up."""
    printed = b""
    while b"is up." not in printed:
        with client.console(name, write=False) as console:
            while b"is up." not in printed and (piece := console.receive(5.0)):
                printed += piece


def start_small_guest(host: LabHost, client: Client, name: str) -> None:
    """Have the small guest run without any device, and wait until it is up."""
    small_guest(host)
    config = DomainConfig(
        name=name, memory_mib=128, kernel=KERNEL, ramdisk=RAMDISK, cmdline="console=hvc0 quiet"
    )
    client.finish(client.create(CreateRequest(config=config)))
    until_up(client, name)


def in_guest(client: Client, name: str, first: str, words: str) -> float:
    """Seconds that a command takes in the small guest's shell, after another that is not timed."""
    with client.console(name, scrollback=False) as console:
        console.send(
            f"{first}; read a x </proc/uptime; {words} 2>/dev/null; read b x </proc/uptime\n".encode()
        )
        console.send(b"echo took:$a:$b:\n")
        seen = b""
        while not (found := re.search(rb"took:([0-9.]+):([0-9.]+):", seen)):
            seen += console.receive(1.0) or b""
    return float(found[2]) - float(found[1])
