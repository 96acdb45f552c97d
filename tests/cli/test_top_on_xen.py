"""`xm top` on a real host: as xentop in the same domain 0, and on a screen with keys."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest

from domus.cli.top import batch
from domus.cli.top.rates import rows
from domus.cli.top.screen import Top
from domus.model.api import CreateRequest

if TYPE_CHECKING:
    from domus.lab.host import LabHost
    from domus.model.config import DomainConfig

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", autouse=True)
def busy(lab_host: LabHost, guest_config: DomainConfig) -> Iterator[None]:
    """A guest that has read its disk and talked to its bridge."""
    config = msgspec.structs.replace(guest_config, name="busy-with-a-long-name")
    with lab_host.client() as client:
        client.finish(client.create(CreateRequest(config=config)))
        with client.console(config.name) as console:
            seen = b""
            while b"is up." not in seen:
                seen += console.receive(60) or b""
    yield
    with lab_host.client() as client:
        client.finish(client.destroy(config.name))


def xentop(host: LabHost, *options: str) -> list[str]:
    """The lines of one table that xentop prints."""
    printed: str = host.run(["xentop", "-b", *options, "-i", "1"]).stdout
    return printed.splitlines()


def test_batch_says_what_xentop_says(lab_host: LabHost) -> None:
    lab_host.run(["xl", "pause", "busy-with-a-long-name"])
    try:
        for _ in range(5):
            before, full = xentop(lab_host), xentop(lab_host, "-f")
            with lab_host.client() as client:
                now = client.statistics()
            theirs = xentop(lab_host)
            # An event that comes to a paused guest ends its being blocked; its line stands still then.
            if before[1] == theirs[1]:
                break
    finally:
        lab_host.run(["xl", "unpause", "busy-with-a-long-name"])
    ours = batch.text(now, rows(now, None)).splitlines()
    ours_full = batch.text(now, rows(now, None), full_names=True).splitlines()
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert ours_full[1].split() == full[1].split()
    # Of domain 0 the CPU time moves on between the two.
    same = [number for number in range(len(ours[2].split())) if number != 2]
    dom0, dom0_theirs = ours[2].split(), theirs[2].split()
    assert [dom0[number] for number in same] == [dom0_theirs[number] for number in same]
    (guest,) = (each for each in now.domains if each.domain.domid)
    assert guest.nics[0].tx_bytes > 0
    assert guest.disks[0].read_sectors > 0


async def test_the_screen_shows_the_host_and_its_keys_act(lab_host: LabHost) -> None:
    asking, acting = lab_host.client(), lab_host.client()
    top = Top(asking.statistics, acting, delay=0.5)

    def screen() -> str:
        strips = top.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async with top.run_test(size=(120, 20)) as pilot:

        async def until(text: str) -> None:
            deadline = time.monotonic() + 20
            while text not in screen() and time.monotonic() < deadline:
                await pilot.pause(0.2)
            assert text in screen()

        await until("▁")
        assert f"{lab_host.name}  Xen 4." in screen()
        assert "Memory 153" in screen()
        assert "CPU %▼" in screen()
        await pilot.press("slash", *"busy", "enter")
        await until("busy-with-a-long-name")
        assert "Domain-0" not in screen()
        await pilot.press("p")
        await until("--p---")
        assert acting.domain("busy-with-a-long-name").paused
        await pilot.press("p")
        await until("-b----")
        await pilot.press("s")
        await until("Shut down busy-with-a-long-name? y: yes, Escape: no")
        await pilot.press("escape", "y", "less_than_sign")
        await until("State▲")
        assert "Domain-0" in screen()
        assert not acting.domain("busy-with-a-long-name").shutdown
        await pilot.press("q")
    asking.close()
    acting.close()


def test_c_lends_the_terminal_to_the_console(lab_host: LabHost) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(XM_HOST=f"lab:{lab_host.name}", TERM="xterm-256color")
        os.execv(sys.executable, [sys.executable, "-m", "domus.cli", "top", "-d", "1"])  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    seen = b""

    def until(text: bytes) -> None:
        nonlocal seen
        deadline = time.monotonic() + 40
        while text not in seen:
            assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], seen[-2000:]
            seen += os.read(terminal, 65536)
        seen = b""

    try:
        until(b"busy-with-a-long-name")
        os.write(terminal, b"/busy\r")
        time.sleep(2)
        os.write(terminal, b"c")
        until(b"Ctrl-] leaves it.")
        os.write(terminal, b"echo a$((20+3))b\r")
        until(b"a23b")
        os.write(terminal, b"\x1d")
        until(b"it runs on.")
        until(b"busy-with-a-long-name")
        os.write(terminal, b"q")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        os.close(terminal)
