"""The console's loop on real descriptors, with a scripted stream in xend's place."""

from __future__ import annotations

import os
import pty
import select
import socket
import termios
from collections.abc import Iterator
from typing import cast

import pytest

from domus.cli import console
from domus.cli.terminal import raw, write_all
from domus.client.console import ConsoleStream


class Script:
    """A stream whose other end is `guest`: a socket from which bytes are read as they were sent."""

    wants_write = False

    def __init__(self) -> None:
        self.ours, self.guest = socket.socketpair()
        self.end = ""

    def fileno(self) -> int:
        return self.ours.fileno()

    def receive(self, within: float) -> bytes | None:
        if not select.select([self.ours], [], [], within)[0]:
            return None
        data = self.ours.recv(65536)
        self.end = "" if data else "domain ended"
        return data

    def send(self, data: bytes) -> None:
        self.ours.sendall(data)


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.ours.close()
    made.guest.close()


class Pipes:
    """A keyboard and a screen."""

    def __init__(self) -> None:
        self.keyboard, self.typist = os.pipe()
        self.eye, self.screen = os.pipe()

    def seen(self) -> bytes:
        os.close(self.screen)
        with open(self.eye, "rb") as eye:  # noqa: PTH123
            return eye.read()


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    for descriptor in (made.keyboard, made.typist, made.eye, made.screen):
        try:
            os.close(descriptor)
        except OSError:
            continue


def relay(script: Script, pipes: Pipes, **how: bool) -> console.Relay:
    interactive = how.pop("interactive", False)
    stream = cast(ConsoleStream, script)
    return console.Relay(stream, pipes.keyboard, pipes.screen, interactive=interactive, **how)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "QUIET", 0.05)


def test_a_console_of_a_domain_that_ends_ends_after_its_last_byte(script: Script, pipes: Pipes) -> None:
    script.guest.sendall(b"last words")
    script.guest.close()
    made = relay(script, pipes)
    made.run()
    assert pipes.seen() == b"last words"
    assert made.mid_line
    assert script.end == "domain ended"


def test_the_leaving_key_leaves_after_what_was_typed_before_it(script: Script, pipes: Pipes) -> None:
    os.write(pipes.typist, b"ls\x03\x1dnot this")
    relay(script, pipes, interactive=True).run()
    assert script.guest.recv(100) == b"ls\x03"
    assert script.end == ""


def test_without_a_terminal_every_byte_is_typed(script: Script, pipes: Pipes) -> None:
    os.write(pipes.typist, b"a\x1db")
    os.close(pipes.typist)
    relay(script, pipes).run()
    assert script.guest.recv(100) == b"a\x1db"


def test_the_end_of_the_input_ends_it_once_the_guest_is_quiet(script: Script, pipes: Pipes) -> None:
    os.close(pipes.typist)
    script.guest.sendall(b"answer\r\n")
    made = relay(script, pipes)
    made.run()
    assert pipes.seen() == b"answer\r\n"
    assert not made.mid_line


def test_outlasting_the_input_it_stays_until_the_domain_ends(script: Script, pipes: Pipes) -> None:
    os.close(pipes.typist)
    script.guest.sendall(b"boot")
    script.guest.close()
    relay(script, pipes, outlast_input=True).run()
    assert script.end == "domain ended"


def test_questions_of_the_scroll_back_are_not_asked_again(script: Script, pipes: Pipes) -> None:
    script.guest.sendall(b"\x1b[1mbold\x1b[0m # \x1b[6n\x1b[?1;2c\x1b[c\x1bZ\x1b[18t.")
    os.close(pipes.typist)
    relay(script, pipes).run()
    assert pipes.seen() == b"\x1b[1mbold\x1b[0m # ."


def test_live_questions_are_asked(script: Script, pipes: Pipes) -> None:
    script.guest.sendall(b"\x1b[6n")
    os.close(pipes.typist)
    relay(script, pipes, replay=False).run()
    assert pipes.seen() == b"\x1b[6n"


def test_watching_sends_nothing_and_is_left_with_ctrl_c(script: Script, pipes: Pipes) -> None:
    os.write(pipes.typist, b"rm -rf /\r\x03")
    relay(script, pipes, interactive=True, watch=True).run()
    script.ours.shutdown(socket.SHUT_WR)
    assert script.guest.recv(100) == b""


def test_the_terminal_is_raw_inside_and_as_before_outside_even_after_an_error() -> None:
    manager, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)

    def fail() -> None:
        with raw(terminal):
            assert not termios.tcgetattr(terminal)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert termios.tcgetattr(terminal) == before
    os.close(terminal)
    os.close(manager)


def test_a_screen_that_takes_little_at_a_time_gets_everything() -> None:
    read, write = os.pipe()
    data = bytes(range(256)) * 1024
    child = os.fork()
    if child == 0:
        os.close(read)
        write_all(write, data)
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:  # noqa: PTH123
        assert pipe.read() == data
    os.waitpid(child, 0)
