"""What is known about each lab host, and a client of it: all that `xm` needs to talk to one that runs.

Light on purpose: nothing here imports QEMU's protocol, asyncio, or the building of anything.
"""

from __future__ import annotations

import os
import re
import signal
import time
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from domus.lab import paths
from domus.model.errors import BadInput, DomusError, HostProblem, NotFound, Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from domus.client.client import Client
    from domus.client.peers import Peer

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class Suite(StrEnum):
    """The Debian release that a host is made from."""

    TRIXIE = "trixie"  #: Debian 13: Xen 4.20, Linux 6.12, Python 3.13
    BOOKWORM = "bookworm"  #: Debian 12: Xen 4.17, Linux 6.1, Python 3.11


class Hypervisor(StrEnum):
    """Which Xen a host runs."""

    DEBIAN = "debian"  #: Debian's package
    FULL = "full"  #: its source, built with shadow paging and XSM/FLASK


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What may be chosen about a host's machine."""

    memory_mib: int = 1536  #: MiB of the whole host
    cpus: int = 2
    dom0_mib: int = 768  #: MiB of it that domain 0 gets
    hypervisor: Hypervisor = Hypervisor.DEBIAN
    suite: Suite = Suite.TRIXIE


class Process(msgspec.Struct, frozen=True):
    """A process that can be told from a later one of the same number: by the moment it was started."""

    pid: int
    started: int  #: clock ticks after boot, field 22 of /proc/PID/stat (proc(5))

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this number now."""
        return cls(pid, _start_time(pid) or 0)

    @property
    def alive(self) -> bool:
        """It still runs."""
        return _start_time(self.pid) == self.started

    def end(self, *, within: float = 5.0) -> None:
        """End it for certain, and wait until it has: SIGTERM, in the second half of the time SIGKILL."""
        until = time.monotonic() + within
        while self.alive:
            left = until - time.monotonic()
            if left < 0:
                raise HostProblem(f"process {self.pid} does not end")
            try:
                os.kill(self.pid, signal.SIGKILL if left < within / 2 else signal.SIGTERM)
            except ProcessLookupError:
                return
            self.reap()
            time.sleep(0.02)

    def reap(self) -> None:
        """Take its exit status if it is a child of ours, so that it does not stay as a zombie."""
        try:
            os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pass  # started by an earlier command


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A host, as host.json in its folder says."""

    name: str
    number: int  #: its place on the LAN
    api_port: int = 0
    process: Process | None = None  #: None: powered off
    shape: Shape = Shape()
    accelerator: str = ""
    template: str = ""
    started: float = 0.0  #: seconds since the epoch


def usual_suite() -> Suite:
    """The suite of hosts for which none is named: `DOMUS_SUITE`, else Debian 13.

    Raises:
        BadInput: the variable names no suite that there is.
    """
    named = os.environ.get("DOMUS_SUITE") or Suite.TRIXIE
    if named not in list(Suite):
        raise BadInput(f"DOMUS_SUITE={named[:60]}: there is {' and '.join(Suite)}")
    return Suite(named)


def check_name(name: str) -> str:
    """`name`, if a lab host may be called so. Raises BadInput."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"invalid name for a lab host: {name[:60]!r}", hint="up to 32 letters a-z, digits and -"
        )
    return name


def folder(name: str) -> Path:
    """Where the host's sockets, logs and record are."""
    return paths.hosts_dir() / name


def read(name: str) -> Record:
    """The record of host `name`.

    Raises:
        NotFound: there is no such host.
        HostProblem: its record is damaged.
    """
    note = f"{paths.host_folder(name)}/host.json"
    try:
        with open(note, "rb") as file:  # noqa: PTH123 - pathlib takes longer to import than this takes
            return msgspec.json.decode(file.read(), type=Record)
    except FileNotFoundError:
        raise NotFound(f"no lab host {name!r}", hint="xm lab list") from None
    except msgspec.DecodeError as error:
        raise HostProblem(f"{note} is damaged: {error}", hint=f"xm lab rm {name}") from error


def running(name: str) -> bool:
    """Whether the QEMU of host `name` runs."""
    try:
        process = read(name).process
    except DomusError:
        return False
    return process is not None and process.alive


def names() -> list[str]:
    """All hosts that have a folder, sorted."""
    return sorted(note.parent.name for note in paths.hosts_dir().glob("*/host.json"))


def client(name: str) -> Client:
    """A client of the host's xend.

    Raises:
        Unreachable: it does not run.
    """
    known = read(name)
    if known.process is None or not known.process.alive:
        raise Unreachable(f"lab host {name} does not run", hint=f"xm lab up {name}")
    from domus.client.client import Client
    from domus.lab.peer import LabPeer

    def remote() -> Peer:
        from domus.client.tls import RemotePeer

        ours = paths.state_dir() / "tls"
        return RemotePeer(
            "127.0.0.1",
            known.api_port,
            ca=ours / "ca.crt",
            cert=ours / "client.crt",
            key=ours / "client.key",
            server_name=name,
        )

    return Client(LabPeer(name, paths.host_folder(name), remote))


def _start_time(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            stat = file.read()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])
