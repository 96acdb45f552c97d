"""`xm` on a real host: what a user types, what comes back, what is left."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

XM = [sys.executable, "-m", "domus.cli"]


class Xm:
    """The command, for one lab host."""

    def __init__(self, host: LabHost, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.env = {**os.environ, "XM_HOST": f"lab:{host.name}"}

    def __call__(self, *words: str, stdin: str = "", status: int = 0) -> str:
        """Run it to its end; returns what it printed on standard output."""
        done = subprocess.run(
            [*XM, *words],
            input=stdin,
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done.stdout + (done.stderr if status else "")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start it and return at once; Ctrl-C reaches it also when the tests run in a shell's background."""
        listening = ["env", "--default-signal=INT", *XM, *words]
        return subprocess.Popen(listening, cwd=self.folder, env=self.env, stderr=subprocess.PIPE)

    def on_a_terminal(self, *words: str) -> int:
        """Start it on a terminal of its own; returns the terminal's other side."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.execvpe(XM[0], [*XM, *words], self.env)  # noqa: S606
        return terminal

    def domains(self) -> list[str]:
        """The names that `xm list` shows."""
        return [row.split()[0] for row in self("list").splitlines()[1:]]


@pytest.fixture
def xm(lab_host: LabHost, small_guest: tuple[Path, Path], tmp_path: Path) -> Iterator[Xm]:
    kernel, ramdisk = small_guest
    with (tmp_path / "disk.img").open("wb") as disk:
        disk.truncate(1 << 20)
    (tmp_path / "g1.cfg").write_text(
        f'name = "g1"\nkernel = "{kernel}"\nramdisk = "{ramdisk}"\n'
        'extra = "console=hvc0 quiet"\nmemory = 128\n'
        'disk = ["file:disk.img,xvda,w"]\nvif = ["bridge=xenbr0"]\n'
    )
    made = Xm(lab_host, tmp_path)
    yield made
    for name in made.domains():
        if name != "Domain-0":
            made("destroy", name)


def read_until(terminal: int, pattern: bytes, *, within: float = 90.0) -> bytes:
    """What appears on a terminal up to and including `pattern`."""
    seen = b""
    until = time.monotonic() + within
    while not re.search(pattern, seen):
        left = until - time.monotonic()
        assert left > 0, f"{pattern!r} did not appear in {seen[-2000:]!r}"
        if select.select([terminal], [], [], left)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError as gone:
                raise AssertionError(f"{pattern!r} did not appear in {seen[-2000:]!r}") from gone
    return seen


def test_a_fresh_host_lists_domain_0_alone(xm: Xm) -> None:
    header, row = xm("list").splitlines()
    assert header == "Name                                        ID   Mem VCPUs      State   Time(s)"
    assert re.fullmatch(r"Domain-0 {37}0 +\d+ +\d+     [r-][b-]----  +\d+\.\d", row)


def test_a_domain_is_created_paused_shown_and_destroyed_without_a_trace(xm: Xm) -> None:
    assert re.fullmatch(
        r'Using config file "\./g1\.cfg"\.\nStarted domain g1 \(id=\d+\)\n', xm("create", "-p", "g1.cfg")
    )
    (domain,) = json.loads(xm("list", "--json", "g1"))
    assert (domain["state"], domain["memory_kib"], domain["vcpus"]) == ("paused", 128 << 10, 1)
    long = xm("list", "--long", "g1")
    assert long.startswith(f"(domain\n    (domid {domain['domid']})\n    (name g1)\n")
    assert "    (status 1)\n    (state --p---)\n" in long
    assert xm("list", "-l").startswith("(domain\n    (domid 0)\n    (name Domain-0)\n")
    assert xm("domid", "g1") == f"{domain['domid']}\n"
    assert xm("domname", str(domain["domid"])) == "g1\n"
    assert xm("domstate", domain["uuid"]) == "paused\n"
    assert "already exists with ID" in xm("create", "g1.cfg", status=1)
    assert xm("destroy", "g1") == ""
    assert xm.domains() == ["Domain-0"]
    assert xm("list", "g1", status=3) == "Error: Domain 'g1' does not exist.\n"


def test_create_with_console_shows_every_byte_and_ends_with_the_domain(xm: Xm) -> None:
    terminal = xm.on_a_terminal("create", "-c", "g1.cfg", "extra=console=hvc0")
    seen = read_until(terminal, rb"# (\x1b\[6n)?$")
    assert b"] Linux version " in seen  # the kernel's first line
    os.write(terminal, b"poweroff -f\r")
    assert b"Console of g1: " in read_until(terminal, rb"Console of g1: [^\r]*ended")
    os.close(terminal)
    deadline = time.monotonic() + 30
    while xm.domains() != ["Domain-0"]:
        assert time.monotonic() < deadline


def test_a_console_is_typed_into_and_left_and_the_domain_runs_on(xm: Xm) -> None:
    xm("create", "-q", "g1.cfg")
    terminal = xm.on_a_terminal("console", "g1")
    read_until(terminal, rb"Ctrl-\] leaves it")
    read_until(terminal, rb"# (\x1b\[6n)?$")
    os.write(terminal, b"echo $((6*7))\r")
    read_until(terminal, rb"\n42\r")
    assert "'xm console -r g1' watches" in xm("console", "g1", status=1)
    os.write(terminal, b"\x1d")
    read_until(terminal, rb"left; it runs on")
    os.close(terminal)
    assert "piped 3" in xm("console", "-q", "g1", stdin="echo piped $((1+2))\n")
    assert "g1" in xm.domains()


def test_ctrl_c_during_create_undoes_it(xm: Xm) -> None:
    with xm.host.client() as client:
        client.operations()  # connected: what is asked next is answered long before a domain is built
        create = xm.start("create", "-q", "g1.cfg")
        while "create" not in [operation.kind for operation in client.operations()[-1:]]:
            assert create.poll() is None
        create.send_signal(signal.SIGINT)
    _, err = create.communicate(timeout=60)
    assert create.returncode == 130
    assert err.decode().startswith("Error: interrupted; domain g1 was ")
    assert xm.domains() == ["Domain-0"]


def test_shutdown_waits_until_the_guest_has_gone(xm: Xm) -> None:
    xm("create", "-q", "g1.cfg")
    terminal = xm.on_a_terminal("console", "-r", "g1")
    read_until(terminal, rb"# (\x1b\[6n)?$")
    os.close(terminal)
    assert xm("shutdown", "-w", "g1") == "Domain g1 terminated\nAll domains terminated\n"
    assert xm.domains() == ["Domain-0"]


def test_info_tells_this_host(xm: Xm) -> None:
    lines = dict(line.split(":", 1) for line in xm("info").splitlines())
    assert lines["host                   "] == f" {xm.host.name}"
    assert xm("info", "xen_major") == "4\n"


def test_dmesg_and_log_are_there(xm: Xm) -> None:
    assert "(XEN)" in xm("dmesg")
    assert "xend" in xm("log")
