"""What can follow each subcommand and its verbs, read from their declarations: the same for all shells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from domus.cli.command import Command, Option
from domus.cli.declared import present

#: what stands before the subcommand
FRONT: Final = ("--host", "--verbose", "--debug", "--version", "--help")

_FILES: Final = re.compile(r"\b(FILE|CONFIGFILE|CONFIG|DIR|DIRS|FOLDER|OUT)\b")


class Following(NamedTuple):
    """What can follow one subcommand, or one verb of it."""

    words_before: str  #: what was typed of it: "list", "lab", "lab disk", "lab disk add"
    last: bool  #: nothing else is told by further words; else `words` are those that there are
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
    """Of each subcommand that this version has, and behind it each of its verbs; the longer ones first."""
    return [each for command in present() for each in (*_of_verbs(command), _of(command))]


def after(words: Sequence[str]) -> Following | None:
    """What can follow the words of a line, the subcommand first."""
    typed = f"{' '.join(words)} "
    for each in following():
        begun = f"{each.words_before} "
        if typed == begun or (each.last and typed.startswith(begun)):
            return each
    return None


def _of_verbs(command: Command) -> Iterator[Following]:
    yield from map(_of, command.verbs)
    beginnings = dict.fromkeys(verb.name.rpartition(" ")[0] for verb in command.verbs)
    for words in beginnings:
        if words != command.name:
            yield _beginning(words, command)


def _beginning(words: str, command: Command) -> Following:
    """Words that are not a whole verb yet."""
    begun = f"{words} "
    further = (verb.name[len(begun) :].split()[0] for verb in command.verbs if verb.name.startswith(begun))
    return Following(
        words_before=words,
        last=False,
        options=(),
        words=tuple(dict.fromkeys(further)),
        domains=False,
        hosts=False,
        images=False,
        cpupools=False,
        files=False,
    )


def _of(command: Command) -> Following:
    if command.verbs:
        return _beginning(command.name, command)
    words = list(_verbs(command.usage))
    if command.name == "help":
        words = [other.name for other in present()]
    return Following(
        words_before=command.name,
        last=True,
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


def valued() -> Iterator[tuple[Following, Option]]:
    """The options that take a value, and what they belong to: `--format` is another one for `check` than
    for `image create`.
    """
    for each in following():
        for option in each.options:
            if option.value:
                yield each, option


def takes_file(option: Option) -> bool:
    """Its value is a file or a folder."""
    return bool(_FILES.search(option.value))
