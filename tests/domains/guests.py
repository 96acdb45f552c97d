"""What lab tests of a domain's life share: making a guest, waiting for it, and for xend after a kill."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from domus.model.api import CreateRequest
from domus.model.config import DomainConfig
from domus.model.errors import DomainNotFound, DomusError, Unreachable

if TYPE_CHECKING:
    from domus.client import Client
    from domus.client.console import ConsoleStream
    from domus.lab.host import LabHost

#: everything that a domain can leave behind in dom0; memory apart, which Xen gives back lazily
LOOK = """
cat /sys/block/loop*/loop/backing_file 2>/dev/null
ls /sys/class/net/xenbr0/brif
xenstore-list /local/domain
xenstore-list /vm
ls /var/lib/xen
for kind in vbd vif; do xenstore-ls /local/domain/0/backend/$kind 2>/dev/null; done
xl list | cut -c1-46
"""


class Shell:
    """The shell on a small guest's console."""

    def __init__(self, console: ConsoleStream) -> None:
        self._console = console
        self._count = 0

    def run(self, command: str, within: float = 60) -> str:
        """What a command prints; it must succeed."""
        self._count += 1
        begin, end = f"<{self._count}>", f"</{self._count}"
        # The marks are spelled so that the echo of the line is not taken for them.
        self._console.send(f"echo '<'{self._count}'>'; {command}; echo '</'{self._count} $?\n".encode())
        seen, until = "", time.monotonic() + within
        while f"{end} " not in seen or not seen.partition(f"{end} ")[2].strip():
            assert time.monotonic() < until, f"{command!r} printed only {seen!r}"
            seen += (self._console.receive(1.0) or b"").decode(errors="replace").replace("\r", "")
        output, _, status = seen.partition(begin + "\n")[2].partition(f"{end} ")
        assert int(status.split()[0]) == 0, f"{command!r}: {output}"
        return output.strip()


def look(host: LabHost) -> str:
    """What is there."""
    return str(host.run(["sh", "-c", LOOK], check=False).stdout)


def create(client: Client, config: DomainConfig, *, paused: bool = False) -> int:
    """A domain that is built; its id."""
    operation = client.finish(client.create(CreateRequest(config=config, paused=paused)))
    assert operation.domid is not None
    return operation.domid


def take_all_away(client: Client) -> None:
    """Destroy every guest; one that goes by itself meanwhile is gone too."""
    for info in client.domains():
        if info.domid:
            with suppress(DomainNotFound):
                client.finish(client.destroy(info.uuid))


def wait_until_up(client: Client, name: str) -> None:
    """Wait until the guest says that it is up, and listens to its console."""
    with client.console(name, write=False) as console:
        read_until_up(console)


def read_until_up(console: ConsoleStream) -> None:
    """Read a console until the guest says on it that it is up."""
    printed, end = b"", time.monotonic() + 600
    while b"is up." not in printed:
        assert time.monotonic() < end, f"the guest printed only {printed[-500:]!r}"
        printed += console.receive(1.0) or b""


def in_guest(client: Client, name: str, command: str, within: float = 180) -> str:
    """What a command prints in the guest's shell; it must succeed."""
    with client.console(name, scrollback=False) as console:
        return Shell(console).run(command, within)


def typed(client: Client, name: str, line: str, wanted: str = "") -> str:
    """Type a line into the guest's shell; with a pattern, what it prints that fits."""
    with client.console(name, scrollback=False) as console:
        console.send(f"{line}\n".encode())
        printed, end = "", time.monotonic() + 180
        while True:
            if found := re.search(wanted, printed):
                return found[0]
            assert time.monotonic() < end, f"the guest printed only {printed!r}"
            printed += (console.receive(1.0) or b"").decode(errors="replace")


def boot_id(client: Client, name: str) -> str:
    """Which boot the guest believes to be in."""
    return typed(
        client, name, "cat /proc/sys/kernel/random/boot_id", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    )


def eventually(claim: Callable[[], bool], within: float = 240) -> None:
    """Wait until the claim is true."""
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.3)


def kill_xend(host: LabHost) -> None:
    """Kill it with SIGKILL, and wait until the next one answers."""
    before = host.run(["cat", "/run/domus/xend.pid"]).stdout
    host.run(["kill", "-9", before.strip()])

    def answers() -> bool:
        if host.run(["cat", "/run/domus/xend.pid"], check=False).stdout in (before, ""):
            return False
        try:
            with host.client() as client:
                client.api()
        except Unreachable:
            return False
        return True

    eventually(answers, within=240)


def at_once(host: LabHost, *wishes: Callable[[Client], object]) -> list[DomusError | None]:
    """What came out of wishes that were uttered at once, each by a client of its own."""
    outcomes: list[DomusError | None] = [None] * len(wishes)
    ready = threading.Barrier(len(wishes))

    def ask(place: int) -> None:
        with host.client() as mine:
            mine.api()
            ready.wait()
            try:
                wishes[place](mine)
            except DomusError as error:
                outcomes[place] = error

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(wishes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return outcomes
