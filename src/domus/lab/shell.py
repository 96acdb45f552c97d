"""Commands in a lab host's domain 0, through the lines that its agent serves."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domus.lab.frames import MAX_PAYLOAD, Kind
from domus.lab.line import Line
from domus.lab.line import opened as line
from domus.model.errors import HostProblem, OutcomeUnknown
from domus.programs import Finished


def _frames(agent: Line) -> list[tuple[Kind, bytes]]:
    frames = agent.receive()
    if not frames:
        raise OutcomeUnknown(
            "the line to the lab host was cut: the command may or may not have ended",
            hint="xm lab list shows whether the host still runs",
        )
    return frames


def request(folder: Path, body: Mapping[str, Any], *, within: float = 10.0) -> None:
    """Ask the agent for something that is not a command, such as taking an identity."""
    with line(folder, within=within) as agent:
        agent.send(Kind.REQUEST, json.dumps(body).encode())
        errors = b""
        while True:
            for kind, payload in _frames(agent):
                if kind is Kind.ERRORS:
                    errors += payload
                elif kind is Kind.EXIT:
                    if json.loads(payload)["status"]:
                        raise HostProblem(
                            f"lab host {folder.name}: {errors.decode(errors='replace').strip()}"
                        )
                    return


def run(folder: Path, argv: Sequence[str], *, stdin: bytes = b"", within: float = 60.0) -> Finished:
    """Run a command in dom0 to its end, and return what it printed.

    Raises:
        HostProblem: it did not end within `within` seconds; it is killed then.
    """
    output = {Kind.OUTPUT: bytearray(), Kind.ERRORS: bytearray()}
    until = time.monotonic() + within
    with line(folder) as agent:
        agent.send(Kind.REQUEST, json.dumps({"run": list(argv)}).encode())
        if stdin:
            agent.send(Kind.INPUT, stdin)
        agent.send(Kind.INPUT)
        while True:
            if not select.select([agent], [], [], max(0.0, until - time.monotonic()))[0]:
                raise HostProblem(f"{argv[0]} in {folder.name} did not end within {within:g} s")
            for kind, payload in _frames(agent):
                if kind is Kind.EXIT:
                    texts = [bytes(part).decode(errors="replace") for part in output.values()]
                    return Finished(tuple(argv), json.loads(payload)["status"], *texts)
                output[kind] += payload


def interact(folder: Path, argv: Sequence[str]) -> int:
    """Run a command in dom0 with our own standard streams, and a terminal where ours is one.

    Returns:
        Its exit status.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with line(folder) as agent:
        body: dict[str, Any] = {"run": list(argv)}
        if terminal:
            body |= {"tty": _size(), "env": {"TERM": os.environ.get("TERM", "xterm")}}
        agent.send(Kind.REQUEST, json.dumps(body).encode())
        with _raw_terminal() if terminal else contextlib.nullcontext(), _signals(agent, terminal):
            return _relay(agent)


def _relay(agent: Line) -> int:
    stdin = sys.stdin.fileno()
    sources = [agent.fileno(), stdin]
    while True:
        ready = select.select(sources, [], [])[0]
        if stdin in ready:
            data = os.read(stdin, MAX_PAYLOAD)
            agent.send(Kind.INPUT, data)
            if not data:
                sources.remove(stdin)
        if agent.fileno() in ready:
            for kind, payload in _frames(agent):
                if kind is Kind.EXIT:
                    return int(json.loads(payload)["status"])
                _write_all(2 if kind is Kind.ERRORS else 1, payload)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextmanager
def _raw_terminal() -> Iterator[None]:
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _signals(agent: Line, terminal: bool) -> Iterator[None]:
    """Pass on what the user does to us: a new window size, or Ctrl-C where there is no terminal."""

    def resized(_signal: int, _frame: object) -> None:
        agent.send(Kind.SIZE, json.dumps(_size()).encode())

    def interrupted(number: int, _frame: object) -> None:
        agent.send(Kind.SIGNAL, str(number).encode())

    handlers = {signal.SIGWINCH: resized} if terminal else {signal.SIGINT: interrupted}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _size() -> list[int]:
    size = shutil.get_terminal_size()
    return [size.lines, size.columns]
