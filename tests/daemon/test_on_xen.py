"""xend on a real Xen host: its consoles, its end, its weight."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from domus.client import Client
from domus.client.console import ConsoleStream
from domus.lab.host import LabHost
from domus.model.api import CreateRequest, ShutdownKind
from domus.model.config import DomainConfig
from domus.model.errors import InUse, Unreachable

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def xend(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


@pytest.fixture
def running(xend: Client, guest_config: DomainConfig) -> Iterator[str]:
    """A guest that has been started; gone after the test."""
    xend.finish(xend.create(CreateRequest(config=guest_config)))
    yield guest_config.name
    if any(domain.name == guest_config.name for domain in xend.domains()):
        xend.finish(xend.destroy(guest_config.name))


def until(console: ConsoleStream, text: bytes, within: float = 120.0) -> bytes:
    """What a console prints up to and including `text`."""
    seen = b""
    deadline = time.monotonic() + within
    while text not in seen:
        piece = console.receive(max(0.0, deadline - time.monotonic()))
        assert piece, f"waited for {text!r}, saw last {seen[-500:]!r} {console.end}"
        seen += piece
    return seen


def xend_pid(host: LabHost) -> str:
    return host.run(["cat", "/run/domus/xend.pid"]).stdout.strip()


def eventually(claim: Callable[[], bool], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_idle_xend_is_small_and_sleeps(lab_host: LabHost, xend: Client) -> None:
    xend.domains()
    xend.host()
    xend.close()
    time.sleep(3)
    pid = xend_pid(lab_host)
    count = f"cat /proc/{pid}/task/*/status | grep ctxt | awk '{{n += $2}} END {{print n}}'"
    before = int(lab_host.run(["sh", "-c", count]).stdout)
    time.sleep(20)
    after = int(lab_host.run(["sh", "-c", count]).stdout)
    status = lab_host.run(["cat", f"/proc/{pid}/status"]).stdout
    rss_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    print(f"idle xend: RSS {rss_kib / 1024:.1f} MiB, {after - before} context switches in 20 s")
    assert rss_kib <= 60 * 1024
    assert after - before <= 2


def test_a_guest_is_read_and_typed_to_through_its_console(xend: Client, running: str) -> None:
    with xend.console(running) as console:
        until(console, b"# ")
        console.send(b"echo $((6*7))-$(cat /sys/hypervisor/type)\n")
        until(console, b"42-xen")


def test_the_scroll_back_begins_with_the_guests_first_line(xend: Client, running: str) -> None:
    with xend.console(running) as first:
        printed = until(first, b"# ")
    with xend.console(running, write=False) as watcher, xend.console(running) as writer:
        # what came after the prompt, in a piece of its own, is in the scroll-back too
        assert until(watcher, b"# ").startswith(printed)
        assert until(writer, b"# ").startswith(printed)
        with pytest.raises(InUse, match="writes to the console of guest"):
            xend.console(running)


def test_what_a_guest_prints_before_anybody_listens_is_kept_from_its_first_line(
    xend: Client, guest_config: DomainConfig
) -> None:
    talkative = replace(guest_config, cmdline=guest_config.cmdline.replace("quiet ", ""))
    xend.finish(xend.create(CreateRequest(config=talkative)))
    try:
        time.sleep(30)
        with xend.console("guest", write=False) as console:
            printed = until(console, b"Hello from a guest on xen", within=60)
        assert printed.lstrip().startswith(b"[    0.000000] Linux version ")
    finally:
        xend.finish(xend.destroy("guest"))


def test_a_reboot_goes_on_in_the_same_console(xend: Client, running: str) -> None:
    with xend.console(running) as console:
        until(console, b"# ")
        assert console.attached is not None
        before = console.attached.domid
        xend.shutdown(running, ShutdownKind.REBOOT)
        deadline = time.monotonic() + 120
        while console.attached.domid == before:
            assert console.receive(max(0.0, deadline - time.monotonic()))
        assert xend.domain(running).domid == console.attached.domid
        until(console, b"# ")


def test_a_console_ends_with_its_domain(xend: Client, running: str) -> None:
    with xend.console(running) as console:
        until(console, b"# ")
        xend.shutdown(running, ShutdownKind.POWEROFF)
        deadline = time.monotonic() + 120
        while console.receive(max(0.0, deadline - time.monotonic())):
            pass
        assert console.end == "domain ended"
    eventually(lambda: not any(domain.name == running for domain in xend.domains()))


def test_a_xend_that_is_stopped_harms_no_guest_and_the_next_one_knows_it(
    lab_host: LabHost, xend: Client, running: str
) -> None:
    domid = xend.domain(running).domid
    pid = xend_pid(lab_host)
    with xend.console(running) as console:
        until(console, b"# ")
        lab_host.run(["kill", "-TERM", pid])
        with pytest.raises(Unreachable, match="xend is being stopped"):
            while console.receive(30):
                pass

    def answers() -> bool:
        try:
            return xend.domain(running).domid == domid
        except Unreachable:
            return False

    eventually(answers)
    assert xend_pid(lab_host) != pid
    with xend.console(running) as console:
        console.send(b"echo still-$((40+2))\n")
        until(console, b"still-42")


def test_hup_keeps_tls_open(lab_host: LabHost, xend: Client) -> None:
    lab_host.run(["sh", "-c", "kill -HUP $(cat /run/domus/xend.pid)"])
    eventually(lambda: "certificates for port" in lab_host.run(["cat", "/var/log/xen/xend.log"]).stdout)
    xend.close()
    assert xend.api().api == 1
