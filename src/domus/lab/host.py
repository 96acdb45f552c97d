"""Lab hosts: started from a template in a second, any number of them, each with an identity of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from domus.client.client import Client
from domus.lab import identity, machine, neighbours, paths, qemu, record, shell, template
from domus.lab.built import locked, need_space
from domus.lab.machine import Machine
from domus.lab.progress import Report, silent
from domus.lab.record import Record, Shape, usual_suite
from domus.model.errors import AlreadyExists, HostProblem, NotFound, Unreachable
from domus.programs import Finished, failure

#: s until xend of a fresh host must have answered
START_TIMEOUT_S = 60.0


class LabHost:
    """One host of the lab."""

    def __init__(self, name: str) -> None:
        self.name = record.check_name(name)
        self.folder = paths.hosts_dir() / name

    def __repr__(self) -> str:
        return f"<LabHost {self.name} {'running' if self.running else 'off'}>"

    @property
    def record(self) -> Record:
        """Its record. Raises NotFound when there is no such host."""
        return record.read(self.name)

    @property
    def shape(self) -> Shape:
        """The machine that it has, or had when it ran last; the usual one for a new host."""
        try:
            return self.record.shape
        except NotFound:
            return Shape(suite=usual_suite())

    @property
    def running(self) -> bool:
        """Its QEMU runs."""
        return record.running(self.name)

    def client(self) -> Client:
        """A client of its xend. Raises Unreachable when it does not run."""
        return record.client(self.name)

    def up(self, shape: Shape | None = None, report: Report = silent) -> bool:
        """Start it unless it runs; on return its xend answers.

        Args:
            shape: the machine that it shall have from now on; None: the one that it had.

        Returns:
            Whether it had to be started.
        """
        with self._locked():
            if self.running:
                return False
            known = self._prepare(shape or self.shape)
            made = template.wanted(known.shape, report)
            report(f"starting host {self.name}", None)
            need_space(self.folder, 64)
            first_time = not known.template
            self._start(known, made)
            if first_time:
                neighbours.introduce(but=self.name)
            return True

    def down(self) -> bool:
        """Pull its plug. Returns whether it ran."""
        with self._locked():
            known = self.record
            ran = known.process is not None and known.process.alive
            if known.process is not None:
                qemu.power_off(self.folder, known.process)
            for leftover in self.folder.glob("*.sock"):
                leftover.unlink(missing_ok=True)
            self._write(msgspec.structs.replace(known, process=None))
            return ran

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", check: bool = True, within: float = 60.0
    ) -> Finished:
        """Run a command in its dom0 to its end.

        Raises:
            ProgramFailed: it failed, and `check` is set.
        """
        finished = shell.run(self.folder, argv, stdin=stdin, within=within)
        if check and finished.status:
            raise failure(finished)
        return finished

    def put(self, content: bytes, path: str) -> None:
        """Write a file into its dom0."""
        self.run(["sh", "-c", 'cat > "$1"', "sh", path], stdin=content)

    def remove(self) -> None:
        """Power it off and forget it."""
        self.down()
        with self._locked():
            shutil.rmtree(self.folder, ignore_errors=True)
        neighbours.introduce()

    def _prepare(self, shape: Shape) -> Record:
        """Its record, with a place on the LAN that no other host has."""
        with locked(paths.hosts_dir() / ".numbers.lock"):
            try:
                known = self.record
            except NotFound:
                taken = {host.record.number for host in hosts()}
                free = [number for number in range(1, 100) if number not in taken]
                if not free:
                    raise AlreadyExists("the lab has 99 hosts, more have no address") from None
                known = Record(name=self.name, number=free[0])
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            known = msgspec.structs.replace(known, shape=shape)
            self._write(known)
            return known

    def _start(self, known: Record, made: template.Template) -> None:
        tls = identity.certify(self.name, known.number, self.folder)
        for last_try in (False, False, True):
            what = Machine(
                shape=made.shape,
                accelerator=made.accelerator,
                image=made.image,
                hypervisor=made.hypervisor,
                layer=made.layer,
                ram=made.folder / "ram",
                share_ram=False,
                folder=self.folder,
                api_port=machine.free_port(),
                lan_port=lan_port(),
            )
            try:
                process = qemu.launch(what, boot=False)
                break
            except HostProblem as error:
                # somebody took the port between our look and QEMU's bind
                if last_try or "host forwarding" not in error.what:
                    raise
        try:
            template.resume(self.folder, made.folder / "state")
            shell.request(self.folder, {"identity": identity.fresh(self.name, known.number, tls)})
            self._write(
                msgspec.structs.replace(
                    known,
                    api_port=what.api_port,
                    process=process,
                    accelerator=made.accelerator,
                    template=made.folder.name,
                    started=time.time(),
                )
            )
            neighbours.tell(self.name)
            self._wait_for_xend()
        except BaseException:
            qemu.power_off(self.folder, process)
            self._write(msgspec.structs.replace(known, process=None))
            raise

    def _wait_for_xend(self) -> None:
        """Its TLS listener comes up after it took its identity; the client connects as soon as it does."""
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                client = self.client()
                try:
                    client.api()
                finally:
                    client.close()
                return
            except Unreachable as error:
                if time.monotonic() > until:
                    raise HostProblem(
                        f"xend in lab host {self.name} does not answer: {error.what}",
                        hint=f"xm lab log {self.name}",
                    ) from error
                time.sleep(0.02)

    def _write(self, known: Record) -> None:
        part = self.folder / ".host.json.part"
        part.write_bytes(msgspec.json.encode(known))
        part.rename(self.folder / "host.json")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(paths.hosts_dir() / f".{self.name}.lock"):
            yield


def hosts() -> list[LabHost]:
    """All hosts that have a folder, sorted by name."""
    return [LabHost(name) for name in record.names()]


def lan_port() -> int:
    """The port of this lab's LAN: chosen once, so that every host of the lab is on the same one."""
    note = paths.state_dir() / "lan-port"
    with locked(paths.state_dir() / ".lan.lock"):
        if not note.exists():
            note.write_text(f"{machine.free_port()}\n")
        return int(note.read_text())
