"""`xm shell`: subcommands from a prompt, with history and completion, one after the other until the end."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.cli.options import Call

GREETING: Final = 'The Xen Master. Type "help" for a list of functions.'
PROMPT: Final = "xm> "
_ENDS: Final = frozenset({"quit", "exit"})
_HISTORY: Final = 1000  #: lines that are remembered
_FRESH: Final = 5.0  #: seconds for which names are not asked for again


def run(call: Call) -> int:
    """`xm shell`; 0 at the end of the input, whatever its subcommands did."""
    remember = _with_readline(call.host) if sys.stdin.isatty() else None
    print(GREETING)
    try:
        while True:
            try:
                line = input(PROMPT)
            except EOFError:
                print()
                return 0
            except KeyboardInterrupt:
                print()
                continue
            if not do(line, call):
                return 0
    finally:
        if remember is not None:
            remember()


def do(line: str, call: Call) -> bool:
    """Do what a line says; False when it says that this is the end."""
    from domus.cli.declared import find
    from domus.cli.main import main

    try:
        words = shlex.split(line)
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return True
    if words[:1] == ["xm"]:
        del words[0]
    if not words:
        return True
    if words[0] in _ENDS:
        return False
    if words == ["help"]:
        from domus.cli import help

        sys.stdout.write(help.short())
    elif words[0] == "shell":
        pass  # we are there
    elif not words[0].startswith("-") and find(words[0]) is None:
        print(f"*** Unknown command: {words[0]}")
    else:
        front = ["--debug"] if call.debug else []
        main([*front, *(["--host", call.host] if call.host else []), *words])
    return True


def _with_readline(host: str | None) -> Callable[[], None]:
    """History and completion, where Python has readline; returns what writes the history at the end."""
    try:
        import readline
    except ImportError:
        return lambda: None
    file = _history_file()
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(_HISTORY)
    readline.set_completer_delims(" \t\n")
    readline.set_completer(Completer(host).offer)
    readline.parse_and_bind("tab: complete")

    def remember() -> None:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            readline.write_history_file(file)

    return remember


def _history_file() -> Path:
    from domus.client.hosts import directory

    return directory() / "shell-history"


class Completer:
    """What Tab offers, from the same plan as the scripts for the shells have it."""

    def __init__(self, host: str | None) -> None:
        self._host = host
        self._offered: list[str] = []
        self._names: dict[str, tuple[float, list[str]]] = {}

    def offer(self, word: str, number: int) -> str | None:
        """readline's way to ask: the offers for the word one by one, then None."""
        if number == 0:
            import readline

            before = readline.get_line_buffer()[: readline.get_begidx()].split()
            self._offered = self.words(before, word)
        return self._offered[number] if number < len(self._offered) else None

    def words(self, before: list[str], word: str) -> list[str]:
        """What can follow the words of a line, of what begins with `word`."""
        from domus.cli.completion.plan import after
        from domus.cli.declared import present

        before = before[1:] if before[:1] == ["xm"] else before
        if not before:
            known = [*(command.name for command in present()), *_ENDS]
        elif (plan := after(before)) is not None:
            known = [*plan.spellings, *plan.words]
            known += self._known("domains") if plan.domains else []
            known += self._known("hosts") if plan.hosts else []
            known += _files(word) if plan.files else []
        else:
            known = []
        return [f"{name} " if not name.endswith("/") else name for name in known if name.startswith(word)]

    def _known(self, kind: str) -> list[str]:
        from domus.cli.completion import answer
        from domus.model.errors import DomusError

        asked, names = self._names.get(kind, (0.0, []))
        if time.monotonic() - asked > _FRESH:
            try:
                names = answer(kind, host=self._host).splitlines()
            except DomusError:
                names = []  # a host that does not answer has nothing to offer
            self._names[kind] = (time.monotonic(), names)
        return names


def _files(word: str) -> list[str]:
    folder, slash, _ = word.rpartition("/")
    with suppress(OSError):
        return [
            f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
            for path in sorted(Path(folder or slash or ".").iterdir())
        ]
    return []
