"""What a subcommand is: one row from which dispatch, option parsing, help, manual and completion are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from domus.cli.options import Call


class Option(msgspec.Struct, frozen=True):
    """One option of a subcommand, as in `-f FILE, --defconfig=FILE`."""

    letter: str  #: without its dash; "" when there is only the word
    word: str  #: without its dashes; the name under which a `Call` knows the option
    help: str  #: one sentence
    value: str = ""  #: what its value is called in the usage; "": it takes none
    choices: tuple[str, ...] = ()  #: the values that there are; empty: anything
    ours: bool = False  #: xm did not have it: xm's counts of arguments are made without it
    later: bool = False  #: known from xm, and answered by "not part of this version yet"

    @property
    def spelling(self) -> str:
        """How the usage shows it."""
        letter = f"-{self.letter}" + (f" {self.value}" if self.value else "") if self.letter else ""
        word = f"--{self.word}" + (f"={self.value}" if self.value else "") if self.word else ""
        return ", ".join(part for part in (letter, word) if part)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One subcommand."""

    name: str
    #: whose it was: "xm"; "xl" for what only xl has, by its name there; "domus". Those that are not xm's may
    #: not make a prefix ambiguous that was none
    origin: str = "xm"
    usage: str = ""  #: the grammar of its arguments
    sentence: str  #: what it does
    runs: str = ""  #: "module:function" within `domus.cli`; "" when it is not part of this version
    gone: str = ""  #: why Xen has it no longer, and what to use instead
    options: tuple[Option, ...] = ()
    counts: tuple[int, int] | None = (
        None  #: fewest and most arguments, xm's options counted too, as xm counts
    )
    raw: bool = False  #: it parses its arguments itself, `-h` included
    needs_host: bool = True  #: it talks to a host; `help` and the like do not
    listed: bool = True  #: it is in the full help
    works: str = (
        ""  #: guest types that it was run with on real Xen, such as "pv pvh hvm"; "-": not about guests
    )
    tested: str = ""  #: the test files that show it, relative to tests/, with blanks between
    #: what it does is told by further words: `xm lab disk add` is the verb "lab disk add" of `lab`
    verbs: tuple[Command, ...] = ()

    @property
    def is_here(self) -> bool:
        """This version can do it."""
        return bool(self.runs)

    def verb(self, words: Sequence[str]) -> Command | None:
        """The verb that the words after the subcommand's own begin with."""
        for length in (2, 1):
            name = " ".join((self.name, *words[:length]))
            found = next((verb for verb in self.verbs if verb.name == name), None)
            if found is not None and len(words) >= length:
                return found
        return None

    def load(self) -> Callable[[Call], int]:
        """The function behind it; its module is imported now and not before."""
        from importlib import import_module

        module, _, function = self.runs.partition(":")
        run: Callable[[Call], int] = getattr(import_module(f"domus.cli.{module}"), function)
        return run
