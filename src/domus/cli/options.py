"""How arguments become a `Call`: getopt's GNU conventions and messages, and xm's argument counts."""

from __future__ import annotations

import getopt
from functools import cached_property
from typing import TYPE_CHECKING

from domus.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.command import Command, Option
    from domus.cli.target import Target
    from domus.client import Client


class UsageError(BadInput):
    """The command line is wrong; the usage of the command follows on stdout.

    Args:
        gap: an empty line follows the error, as xm has it after a wrong count of arguments.
    """

    code = "usage"

    def __init__(
        self, what: str, *, hint: str = "", command: Command | None = None, gap: bool = False
    ) -> None:
        super().__init__(what, hint=hint)
        self.command = command
        self.gap = gap


class Call:
    """One invocation of a subcommand: its options, its words, and the host that it is for."""

    def __init__(
        self,
        command: Command,
        arguments: Sequence[str],
        *,
        host: str | None = None,
        debug: bool = False,
    ) -> None:
        self.command = command
        self.arguments = list(arguments)  #: as they were typed
        self.words: list[str] = self.arguments  #: what is left without the options
        self.host = host  #: the value of --host, if it was given
        self.debug = debug
        self._values: dict[str, list[str]] = {}
        if not command.raw:
            self._values, self.words = parse(command, self.arguments)

    def has(self, word: str) -> bool:
        """The option was given."""
        return word in self._values

    def value(self, word: str, default: str = "") -> str:
        """The option's value; of several, the last."""
        return self._values[word][-1] if word in self._values else default

    @cached_property
    def target(self) -> Target:
        """The host that this call is for, connected at its first request."""
        from domus.cli.target import choose

        return choose(self.host)

    @property
    def client(self) -> Client:
        """The API of that host."""
        return self.target.client

    def values(self, word: str) -> list[str]:
        """All values that the option was given."""
        return self._values.get(word, [])

    def wrong(self, what: str, *, hint: str = "") -> UsageError:
        """The error for a command line that this subcommand cannot accept."""
        return UsageError(what, hint=hint, command=self.command)


def parse(command: Command, arguments: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options of `command` by their words, and the words that are left.

    Raises:
        UsageError: an option that is not known, or not complete, or whose value is none of its choices;
            too few or too many arguments.
        BadInput: an option that this version does not have yet.
    """
    check_count(command, arguments)
    letters = "".join(
        option.letter + (":" if option.value else "") for option in command.options if option.letter
    )
    words = [option.word + ("=" if option.value else "") for option in command.options if option.word]
    try:
        given, rest = getopt.gnu_getopt(list(arguments), letters, words)
    except getopt.GetoptError as error:
        raise UsageError(error.msg, command=command) from None
    values: dict[str, list[str]] = {}
    for spelled, value in given:
        option = _declared(command, spelled)
        if option.later:
            raise not_yet(f"{command.name} {spelled}")
        if option.choices and value not in option.choices:
            known = ", ".join(option.choices)
            raise UsageError(
                f"option {spelled} has no value {value!r}", hint=f"one of {known}", command=command
            )
        values.setdefault(option.word or option.letter, []).append(value)
    return values, rest


def check_count(command: Command, arguments: Sequence[str]) -> None:
    """Refuse too few or too many arguments, counting xm's options too and `--` not, as xm always did.

    The plural ("requires 1 arguments.") is xm's own: scripts look for it.
    """
    if command.counts is None:
        return
    fewest, most = command.counts
    ours = {"--", *(f"--{option.word}" for option in command.options if option.ours)}
    if fewest <= sum(argument not in ours for argument in arguments) <= most:
        return
    wanted = f"{fewest}" if fewest == most else f"between {fewest} and {most}"
    raise UsageError(f"'xm {command.name}' requires {wanted} arguments.", command=command, gap=True)


def not_yet(what: str) -> BadInput:
    """The answer for what xm has and this version has not."""
    return BadInput(f"'xm {what}' is not part of this version yet")


def _declared(command: Command, spelled: str) -> Option:
    name = spelled.lstrip("-")
    long = spelled.startswith("--")
    return next(option for option in command.options if name == (option.word if long else option.letter))
