"""Help in xm's layout: the short list, the full list, the usage of one subcommand, completion."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.cli.command import Command
from domus.cli.declared import everything, find
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from domus.cli.options import Call

HELP_OPTIONS: Final = ("-h", "--help")

_BY_NAME: Final = {command.name: command for command in everything()}


def _names(text: str) -> tuple[Command, ...]:
    return tuple(_BY_NAME[name] for name in text.split())


#: xm's order, then what is new
_SHORT: Final = _names(
    "console vncviewer create new delete destroy dump-core help list mem-set migrate pause reboot reset"
    " restore resume save shell shutdown start suspend top unpause uptime usb-add usb-del domstate vcpu-set"
    " info check convert schema doctor host image lab"
)

_DOMAINS: Final = _names(
    "console vncviewer create new delete destroy domid domname dump-core list mem-max mem-set migrate pause"
    " reboot rename reset restore resume save shutdown start suspend sysrq trigger top unpause uptime usb-add"
    " usb-del domstate vcpu-list vcpu-pin vcpu-set"
    " vm-list"
)
_HOST: Final = _names(
    "debug-keys dmesg info log serve check convert schema doctor xend-config host image lab help"
)

_COLUMNS: Final = 50  #: of a description in a list
_OPTION_COLUMNS: Final = 43  #: of a description in a usage

_NOT_YET: Final = " *"
_GONE: Final = " -"

_TITLE: Final = (
    "Usage: xm <subcommand> [args]\n"
    "\n"
    "Control Xen domains: on this machine, on another host, or in a lab inside QEMU.\n"
)

_FOOTER: Final = (
    "Before the subcommand: --host NAME (or XM_HOST) chooses the host, -v tells what is asked of it,\n"
    "--debug explains failures.\n"
    "Marked * is not part of this version yet, marked - is gone from Xen itself.\n"
    "'xm help TOPIC' tells about hosts, configuration, exit-codes, environment, files, and each parameter\n"
    "of configuration files, as in 'xm help memory'.\n"
)


def run(call: Call) -> int:
    """`xm help [SUBCOMMAND]`."""
    if call.has("completion"):
        from domus.cli import completion

        sys.stdout.write(completion.answer(call.value("completion"), host=call.host))
        return 0
    if not call.words:
        sys.stdout.write(full())
        return 0
    sys.stdout.write(about(*call.words))
    return 0


def about(name: str, *further: str) -> str:
    """What there is to say about a subcommand, a topic, or a parameter of configuration files; in that order.

    Args:
        further: the verb of a subcommand that has some.

    Raises:
        BadInput: it is none of them.
    """
    command = find(name)
    if command is not None:
        return usage(command.verb(further) or command)
    from domus.cli.manual.pages import TOPICS, parameter, topic
    from domus.cli.manual.plain import text

    chapter = topic(name)
    if chapter is not None:
        return text(chapter, stream=sys.stdout)
    from domus.config.parameters import TABLE

    if name in TABLE:
        return text([parameter(TABLE[name])], stream=sys.stdout)
    near = like(name, (*TOPICS, *TABLE))
    raise BadInput(
        f"Subcommand {name} not found!",
        hint=f"did you mean {near}?" if near else f"'xm help' shows all; topics: {', '.join(TOPICS)}",
    )


def like(name: str, further: Iterable[str]) -> str:
    """The subcommand, or one of the further names, that is spelled most like `name`; "": none is."""
    from difflib import get_close_matches

    near = get_close_matches(name, [*_BY_NAME, *further], 1)
    return near[0] if near else ""


def is_asked_for(words: Sequence[str]) -> bool:
    """`-h` or `--help` is somewhere, but neither behind `--` nor within what parses its own arguments."""
    asked = any(word in HELP_OPTIONS for word in (words[: words.index("--")] if "--" in words else words))
    if not asked or words[0] in HELP_OPTIONS:
        return asked
    command = find(words[0])
    return command is None or not command.raw


def answer(words: Sequence[str]) -> int:
    """What `-h` prints, and its exit code: 0 only when it stands first, as with xm."""
    if words[0] in HELP_OPTIONS:
        sys.stdout.write(full())
        return 0
    command = find(words[0])
    sys.stdout.write(short() if command is None else usage(command))
    return 1


def short() -> str:
    """The list of the usual subcommands."""
    return (
        f"{_TITLE}\nThe usual subcommands:\n\n"
        + "".join(map(_row, _SHORT))
        + f"\n{_FOOTER}One subcommand in detail: 'xm help SUBCOMMAND'. All of them: 'xm help'.\n"
    )


def full() -> str:
    """The list of all subcommands: domains, host, and the rest in the order of its table."""
    last = _names("shell")
    rest = [command for command in everything() if command.listed and command not in _DOMAINS + _HOST + last]
    return (
        f"{_TITLE}\nAll subcommands:\n\n"
        + "".join(map(_row, (*_DOMAINS, *_HOST, *rest, *last)))
        + f"\n{_FOOTER}One subcommand in detail: 'xm help SUBCOMMAND'.\n"
    )


def usage(command: Command) -> str:
    """How one subcommand is used: grammar, sentence, options."""
    if command.verbs:
        return overview(command, command.verbs)
    grammar = f"Usage: xm {command.name} {command.usage}".rstrip()
    text = f"{grammar}\n\n{_sentence(command)}\n"
    options = "".join(
        _columns(
            f"  {option.spelling:<30} ", option.help + (_NOT_YET if option.later else ""), _OPTION_COLUMNS
        )
        for option in command.options
    )
    return f"{text}\n{options}\n" if options else text


def overview(command: Command, chosen: Iterable[Command]) -> str:
    """How a subcommand with verbs is used: some of them, or all."""
    verbs = "".join(f"{f'  {verb.name} {verb.usage}'.rstrip()}\n      {_sentence(verb)}\n" for verb in chosen)
    more = f"One of them in detail: 'xm help {command.name} VERB'."
    return f"Usage: xm {command.name} <verb> [args]\n\n{command.sentence}\n\n{verbs}\n{more}\n"


def _row(command: Command) -> str:
    return _columns(f" {command.name:<20} ", _sentence(command), _COLUMNS)


def _sentence(command: Command) -> str:
    if command.is_here:
        return command.sentence
    return command.sentence + (_GONE if command.gone else _NOT_YET)


def _columns(head: str, text: str, width: int) -> str:
    """`head` and the wrapped `text` beside it, each line padded to `width`."""
    # As xm, continuation lines stand where the text of a head of usual length begins.
    indent = 33 if head.startswith("  ") else 22
    first, *rest = list(_wrapped(text, width))
    return "".join(
        f"{line}\n" for line in (f"{head}{first:<{width}}", *(f"{'':<{indent}}{line}" for line in rest))
    )


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
