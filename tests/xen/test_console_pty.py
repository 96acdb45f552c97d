"""The console's end of a pseudo terminal."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from domus.model.errors import HostProblem
from domus.xen.console import ConsolePty, make_raw


@pytest.fixture
def pty() -> Iterator[tuple[int, ConsolePty]]:
    """The end that xenconsoled holds, and ours."""
    theirs, ours = os.openpty()
    with ConsolePty.open(os.ttyname(ours)) as console:
        os.close(ours)
        yield theirs, console
    os.close(theirs)


def test_every_byte_passes_unchanged_both_ways_and_without_echo(pty: tuple[int, ConsolePty]) -> None:
    theirs, console = pty
    everything = bytes(range(256))
    assert console.write(everything) == 256
    assert os.read(theirs, 512) == everything
    os.write(theirs, everything)
    select.select([console], [], [], 5)
    assert console.read() == everything
    assert console.read() is None


def test_a_guest_that_does_not_read_does_not_block_us(pty: tuple[int, ConsolePty]) -> None:
    _, console = pty
    written = 0
    while count := console.write(b"x" * 4096):
        written += count
        assert written < 1 << 20, "a terminal does not hold that much"


def test_the_end_of_a_domain_is_the_end_of_its_console() -> None:
    theirs, ours = os.openpty()
    with ConsolePty.open(os.ttyname(ours)) as console:
        os.close(ours)
        os.write(theirs, b"bye")
        os.close(theirs)
        assert console.read() in (b"bye", b"")  # Linux may drop what nobody has read yet
        assert console.read() == b""
        with pytest.raises(HostProblem):
            console.write(b"x")


def test_closing_twice_is_closing_once() -> None:
    theirs, ours = os.openpty()
    console = ConsolePty.open(os.ttyname(ours))
    console.close()
    console.close()
    assert console.fileno() == -1
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/pts/../null", "/dev/null", "", "/dev/pts/0\n"])
def test_what_is_no_pseudo_terminal_is_refused(path: str) -> None:
    with pytest.raises(HostProblem):
        ConsolePty.open(path)


def test_a_terminal_that_has_gone_is_one_clear_error() -> None:
    number = max((int(entry.name) for entry in Path("/dev/pts").iterdir() if entry.name.isdigit()), default=0)
    with pytest.raises(HostProblem, match="cannot be opened"):
        ConsolePty.open(f"/dev/pts/{number + 1000}")


def test_raw_twice_is_raw_once() -> None:
    theirs, ours = os.openpty()
    make_raw(ours)
    make_raw(ours)
    os.close(theirs)
    os.close(ours)
