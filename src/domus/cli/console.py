"""`xm console`, and the console part of `xm create -c`.

One loop waits for the keyboard and for the guest. Ctrl-] leaves, and the domain runs on; a console of a
domain that ends, ends. Without a terminal for input, what is piped in is typed, and the end of the input
ends the console once the guest has said nothing more for a while.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from domus.cli.options import not_yet
from domus.cli.terminal import raw, write_all
from domus.model.errors import DomainNotFound, InUse, WrongState

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.client import Client
    from domus.client.console import ConsoleStream

LEAVE: Final = b"\x1d"  #: Ctrl-]
CTRL_C: Final = b"\x03"  #: typed for the guest; leaves too when we only watch

#: seconds of silence that end a console whose input has ended; an emulated guest needs its time to answer
QUIET: Final = 2.0

#: seconds from the start within which what arrives counts as scroll-back
REPLAY: Final = 0.5

_TYPED: Final = 4096  #: bytes taken from the keyboard at once

#: What a guest asks a terminal (where is the cursor, what are you): in a scroll-back it was asked long ago,
#: and the answer would be typed into the guest now. ECMA-48 DSR and DA, xterm's ctlseqs: CSI ... n, c, x, t.
_QUESTION: Final = re.compile(rb"\x1b(?:\[[?>=]?[0-9;]*[ncxt]|Z)")


def run(call: Call) -> int:
    """`xm console [-q] [-r] [-n N] DOM`."""
    if not call.words:
        raise call.wrong("No domain given")
    if len(call.words) > 1:
        raise call.wrong("only one domain can be attached to")
    _check_number(call)
    quiet = call.has("quiet")
    try:
        stream = open_console(call.client, call.words[0], watch=call.has("read-only"))
    except (DomainNotFound, WrongState):
        if quiet:
            return 1
        raise
    attach(stream, quiet=quiet, watch=call.has("read-only"))
    return 0


def open_console(client: Client, ref: str, *, watch: bool = False) -> ConsoleStream:
    """The console of a domain.

    Raises:
        InUse: somebody else writes; the hint tells how to watch.
    """
    try:
        return client.console(ref, write=not watch)
    except InUse as error:
        # A refusal may arrive as one text, with xend's own hint for users of the API behind it.
        what = error.what.partition(" (")[0]
        raise InUse(what, where=error.where, hint=f"'xm console -r {ref}' watches") from error


def attach(
    stream: ConsoleStream,
    *,
    quiet: bool = False,
    watch: bool = False,
    outlast_input: bool = False,
    replay: bool = True,
) -> None:
    """Join a console with our own input and output until it ends or the user leaves.

    Args:
        quiet: no lines of our own.
        watch: nothing is sent.
        outlast_input: the end of the input ends nothing: stay until the domain ends.
        replay: the stream begins with what was printed before.
    """
    sys.stdout.flush()
    keyboard, screen = sys.stdin.fileno() if sys.stdin else None, sys.stdout.fileno()
    interactive = keyboard is not None and os.isatty(keyboard)
    name = stream.attached.domain if stream.attached else "the domain"
    if interactive and not quiet:
        print(f"Console of {name}; Ctrl-] leaves it.", file=sys.stderr, flush=True)
    relay = Relay(
        stream,
        keyboard,
        screen,
        interactive=interactive,
        watch=watch,
        outlast_input=outlast_input,
        replay=replay,
    )
    with stream, raw(keyboard) if keyboard is not None and interactive else nullcontext():
        relay.run()
    if relay.mid_line:
        write_all(screen, b"\r\n" if os.isatty(screen) else b"\n")
    if not quiet and (interactive or stream.end):
        print(f"Console of {name}: {stream.end or 'left; it runs on'}.", file=sys.stderr)


class Relay:
    """Carries bytes between a console and two file descriptors."""

    def __init__(
        self,
        stream: ConsoleStream,
        keyboard: int | None,
        screen: int,
        *,
        interactive: bool,
        watch: bool = False,
        outlast_input: bool = False,
        replay: bool = True,
    ) -> None:
        self._replay_until = time.monotonic() + (REPLAY if replay else 0.0)
        self.mid_line = False  #: the guest's last line has no end
        self._stream = stream
        self._keyboard = keyboard  #: None: there is no input, or it has ended
        self._screen = screen
        self._interactive = interactive
        self._watch = watch
        self._outlast_input = outlast_input
        self._over_at: float | None = None  #: when silence will have lasted long enough
        if keyboard is None:
            self._input_ended()

    def run(self) -> None:
        """Return when the console has ended, Ctrl-] was typed, or the input has ended and the guest is quiet.

        Raises:
            Unreachable: the connection broke.
        """
        socket = self._stream.fileno()
        while True:
            data = self._stream.receive(0)
            if data == b"":
                return
            if data:
                self._show(data)
            elif self._over_at is not None and time.monotonic() >= self._over_at:
                return
            ready = self._wait(socket)
            if self._keyboard in ready and not self._typed(self._keyboard):
                return

    def _wait(self, socket: int) -> set[int]:
        poll = select.poll()
        # While what was typed is still on its way, no more of it is taken.
        behind = self._stream.wants_write
        poll.register(socket, select.POLLIN | (select.POLLOUT if behind else 0))
        if self._keyboard is not None and not behind:
            poll.register(self._keyboard, select.POLLIN)
        left = None if self._over_at is None else max(0.0, self._over_at - time.monotonic()) * 1000
        return {descriptor for descriptor, _ in poll.poll(left)}

    def _show(self, data: bytes) -> None:
        if time.monotonic() < self._replay_until:
            data = _QUESTION.sub(b"", data)
        write_all(self._screen, data)
        self.mid_line = not data.endswith(b"\n")
        if self._over_at is not None:
            self._over_at = time.monotonic() + QUIET

    def _typed(self, keyboard: int) -> bool:
        """Pass on what was typed; False when the user leaves."""
        typed = os.read(keyboard, _TYPED)
        if not typed:
            self._input_ended()
            return not self._interactive  # else the terminal itself is gone
        if self._interactive:
            typed, leave, _ = typed.partition(LEAVE)
            leave = leave or (CTRL_C if self._watch and CTRL_C in typed else b"")
        else:
            leave = b""
        if typed and not self._watch:
            self._stream.send(typed)
        return not leave

    def _input_ended(self) -> None:
        self._keyboard = None
        if not self._outlast_input:
            self._over_at = time.monotonic() + QUIET


def _check_number(call: Call) -> None:
    number = call.value("num", "0")
    if not number.isdecimal():
        raise call.wrong("Invalid argument.")
    if int(number):
        raise not_yet("console -n")
