"""What can follow each subcommand, read from its declaration: the same for all shells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from domus.cli.command import Command, Option
from domus.cli.declared import present

#: what stands before the subcommand
FRONT: Final = ("--host", "--verbose", "--debug", "--version", "--help")

_FILES: Final = re.compile(r"\b(FILE|CONFIGFILE|CONFIG|DIR|DIRS|FOLDER|OUT)\b")


class Following(NamedTuple):
    """What can follow one subcommand."""

    command: Command
    options: tuple[Option, ...]
    words: tuple[str, ...]  #: verbs, and names of other subcommands
    domains: bool  #: names of domains
    hosts: bool  #: names of hosts
    images: bool  #: names of images
    cpupools: bool  #: names of cpupools
    files: bool  #: names of files

    @property
    def names(self) -> list[str]:
        """What `xm help --completion=` is asked for."""
        kinds = {
            "domains": self.domains,
            "hosts": self.hosts,
            "images": self.images,
            "cpupools": self.cpupools,
        }
        return [kind for kind, wanted in kinds.items() if wanted]

    @property
    def spellings(self) -> Iterator[str]:
        """All options as they are typed."""
        for option in self.options:
            if option.letter:
                yield f"-{option.letter}"
            if option.word:
                yield f"--{option.word}"


def following() -> list[Following]:
    """Of each subcommand that this version has."""
    return [_of(command) for command in present()]


def _of(command: Command) -> Following:
    words = list(_verbs(command.usage))
    if command.name == "help":
        words = [other.name for other in present()]
    return Following(
        command=command,
        options=tuple(option for option in command.options if not option.later),
        words=tuple(dict.fromkeys(words)),
        domains=bool(re.search(r"\bDOM\b", command.usage)),
        hosts=bool(re.search(r"\bHOST\b", command.usage)),
        images=bool(re.search(r"\bIMAGE\b", command.usage)),
        cpupools=bool(re.search(r"\bPOOL\b", command.usage)),
        files=bool(_FILES.search(command.usage)),
    )


def _verbs(usage: str) -> Iterator[str]:
    """The words in lower case between which a usage lets one choose, as `add` in `add NAME | rm NAME`."""
    for alternative in re.split(r"\|", usage):
        first = alternative.split()[:1]
        if "|" in usage and first and re.fullmatch(r"[a-z][a-z-]*", first[0]):
            yield first[0]


def valued() -> dict[str, Option]:
    """The options that take a value, by spelling, where all subcommands mean the same kind by it."""
    kinds: dict[str, set[tuple[str, ...]]] = {}
    found: dict[str, Option] = {}
    for each in following():
        for option in each.options:
            if option.value:
                found[f"--{option.word}"] = option
                kinds.setdefault(f"--{option.word}", set()).add(option.choices)
    return {spelling: option for spelling, option in found.items() if len(kinds[spelling]) == 1}


def takes_file(option: Option) -> bool:
    """Its value is a file or a folder."""
    return bool(_FILES.search(option.value))
