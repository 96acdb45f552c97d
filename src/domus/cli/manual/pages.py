"""The pages xm(1), xend(8) and xm.cfg(5): prose, with what is declared in its places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domus.cli.command import Command, Option
from domus.cli.declared import everything
from domus.cli.manual.markdown import Block, Definition, Heading, Paragraph, bare, parse

if TYPE_CHECKING:
    import argparse

    from domus.config.parameters import Parameter

_PROSE: Final = Path(__file__).parents[2] / "man"

#: the pages: their prose and their section
PAGES: Final = {"xm": 1, "xend": 8, "xm.cfg": 5}

_SUBCOMMANDS: Final = "SUBCOMMANDS"
_OPTIONS: Final = "OPTIONS"
_PARAMETERS: Final = "PARAMETERS"

#: what `xm help TOPIC` knows beside subcommands and parameters, and the chapter that tells it
TOPICS: Final = {
    "options": "OPTIONS",
    "hosts": "HOSTS",
    "lab-hosts": "THE LAB",
    "configuration": "CONFIGURATION FILES",
    "exit-codes": "EXIT STATUS",
    "environment": "ENVIRONMENT",
    "files": "FILES",
    "differences": "DIFFERENCES FROM THE LAST XM",
}


def page(name: str) -> list[Block]:
    """All blocks of a page."""
    chapters = _chapters(prose(name))
    blocks: list[Block] = []
    for title, content in chapters:
        blocks += [Heading(1 if not title else 2, title or name)]
        if name == "xm" and title == _SUBCOMMANDS:
            content = list(subcommands(content))
        elif name == "xend" and title == _OPTIONS:
            content = [*content, *_xend_options()]
        elif name == "xm.cfg" and title == _PARAMETERS:
            content = [*content, *_parameters()]
        blocks += content
    return blocks


def topic(name: str) -> list[Block] | None:
    """The chapter that a topic stands for."""
    title = TOPICS.get(name.lower())
    if title is None:
        return None
    return next([Heading(2, title), *content] for found, content in _chapters(prose("xm")) if found == title)


def prose(name: str) -> list[Block]:
    """What is written by hand of a page."""
    return parse((_PROSE / f"{name}.{PAGES[name]}.md").read_text())


def _chapters(blocks: Iterable[Block]) -> list[tuple[str, list[Block]]]:
    chapters: list[tuple[str, list[Block]]] = []
    for block in blocks:
        match block:
            case Heading(1):
                pass
            case Heading(2, title):
                chapters.append((title, []))
            case _:
                if chapters:
                    chapters[-1][1].append(block)
    return chapters


def names_in(heading: str) -> list[str]:
    """The subcommands that a section is about: the first words between its commas."""
    known = {command.name for command in everything()}
    firsts = (part.split()[0] for part in bare(heading).split(",") if part.strip())
    return [name for name in dict.fromkeys(firsts) if name in known]


def sections(content: Iterable[Block]) -> tuple[list[Block], dict[str, list[Block]], dict[str, str]]:
    """What stands before the sections, the blocks of each by its first subcommand, and who shares whose."""
    before: list[Block] = []
    by_name: dict[str, list[Block]] = {}
    shares: dict[str, str] = {}
    current = before
    for block in content:
        if isinstance(block, Heading):
            names = names_in(block.text) or [block.text]
            current = by_name.setdefault(names[0], [])
            shares |= dict.fromkeys(names[1:], names[0])
        else:
            current.append(block)
    return before, by_name, shares


def subcommands(content: Iterable[Block]) -> Iterator[Block]:
    """A section for each subcommand that is here; then what is not."""
    before, by_name, shares = sections(content)
    yield from before
    for command in everything():
        if command.is_here:
            yield from section(command, by_name, shares)
    later = [command.name for command in everything() if not command.is_here and not command.gone]
    gone = [command for command in everything() if command.gone and command.listed]
    if later:
        yield Heading(3, "Not part of this version yet")
        yield Paragraph(", ".join(f"`{name}`" for name in later))
    yield Heading(3, "Gone from Xen")
    for command in gone:
        yield Definition(f"`{command.name}`", f"{command.gone[:1].upper()}{command.gone[1:]}")


def section(command: Command, by_name: dict[str, list[Block]], shares: dict[str, str]) -> Iterator[Block]:
    """One subcommand: its usage and options as declared, and what the prose says."""
    yield Heading(3, f"{command.name} {command.usage}".rstrip())
    told = by_name.get(command.name, [])
    if not any(isinstance(block, Paragraph) for block in told):
        yield Paragraph(command.sentence)
    if command.name in shares:
        yield Paragraph(f"See **{shares[command.name]}**.")
    by_option: dict[str, str] = {}
    for block in told:
        option = _option_of(command, block)
        if option is None:
            yield block
        else:
            assert isinstance(block, Definition)  # noqa: S101 - _option_of says so
            by_option[option.word or option.letter] = block.text
    for option in command.options:
        if not option.later:
            text = by_option.get(option.word or option.letter, option.help)
            yield Definition(f"`{option.spelling}`", text)
    for verb in command.verbs:
        yield from section(verb, by_name, shares)


def about(command: Command) -> list[Block]:
    """What the page says of one subcommand, for `xm help`."""
    content = next(content for title, content in _chapters(prose("xm")) if title == _SUBCOMMANDS)
    _, by_name, shares = sections(content)
    return list(section(command, by_name, shares))


def _option_of(command: Command, block: Block) -> Option | None:
    """The option that a definition of the prose is about."""
    if not isinstance(block, Definition):
        return None
    words = re.findall(r"(?<![\w-])--?([A-Za-z0-9][\w-]*)", bare(block.term))
    return next((option for option in command.options if {option.letter, option.word} & set(words)), None)


def undeclared(command: Command) -> list[str]:
    """Options that the prose has and the declaration has not: a test wants none."""
    content = next(content for title, content in _chapters(prose("xm")) if title == _SUBCOMMANDS)
    _, by_name, _ = sections(content)
    return [
        block.term
        for block in by_name.get(command.name, [])
        if isinstance(block, Definition)
        and bare(block.term).startswith("-")
        and not _option_of(command, block)
    ]


def _xend_options() -> Iterator[Block]:
    import argparse

    from domus.daemon.settings import arguments

    for action in arguments()._actions:
        if action.help == argparse.SUPPRESS:
            continue
        yield Definition(f"`{_spelling(action)}`", _sentence(action))


def _spelling(action: argparse.Action) -> str:
    value = f" {action.metavar}" if action.metavar else ""
    if action.choices and not value:
        value = f" {'|'.join(map(str, action.choices))}"
    return ", ".join(f"{option}{value}" for option in action.option_strings)


def _sentence(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%(prog)s", "xend")


def _parameters() -> Iterator[Block]:
    from domus.config.parameters import TABLE

    return (parameter(each) for each in sorted(TABLE.values(), key=lambda each: each.name))


def parameter(each: Parameter) -> Definition:
    """What there is to say about one parameter of configuration files."""
    from domus.config.reference import sentence

    known = ", ".join(sorted(each.dialects)) or "SXP only"
    return Definition(f"`{each.name}={each.kind.hint}`", f"{sentence(each)} ({known})")


def chapters_of(blocks: Sequence[Block]) -> list[str]:
    """The titles of a page."""
    return [block.text for block in blocks if isinstance(block, Heading) and block.level == 2]
