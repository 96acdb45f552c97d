"""The configuration file that `create`, `convert` and `check` are given: finding it, and reading it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from domus.cli.options import Call
    from domus.config import Loaded

SEARCH_PATH: Final = ".:/etc/xen"

#: what xm reads when no file is named
DEFAULT_NAME: Final = "xmdefconfig"

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)

#: variables that may be given several times, each time adding to their list: xm's, then newer ones
_LISTS: Final = frozenset(
    {"disk", "vif", "vif2", "pci", "vfb", "vscsi", "vusb", "ioports", "irq", "cpuid", "cpuid_check"}
    | {"access_control", "irqs", "iomem", "dtdev", "usbctrl", "usbdev", "vtpm", "channel", "p9"}
    | {"pvcalls", "virtio", "vdispl", "vkb"}
)


class Arguments(NamedTuple):
    """What the command line says about a configuration."""

    file: str
    variables: dict[str, str]
    lists: dict[str, list[str]]


class Words(NamedTuple):
    """The words of the command line, sorted: files, and NAME=VALUE."""

    files: list[str]
    variables: dict[str, str]
    lists: dict[str, list[str]]


def find(name: str, search_path: str = SEARCH_PATH) -> str | None:
    """The path of the file called `name`: as it is, else in one of the directories; None: nowhere.

    Relative ones begin with "./", as xm always printed them.
    """
    for place in (Path(), *map(Path, search_path.split(":"))):
        path = str(place / name)
        if (place / name).exists():
            return path if path.startswith(("/", "../")) else f"./{path}"
    return None


def hint_for(name: str, search_path: str = SEARCH_PATH) -> str:
    """What may have been meant by a name that is nowhere."""
    near = find(f"{name}.cfg", search_path)
    return f"did you mean {near}?" if near else ""


def arguments(call: Call) -> Arguments:
    """The configuration file that is named, and the NAME=VALUE variables.

    Raises:
        UsageError: two files are named, or a value is not UTF-8.
    """
    files, variables, lists = sorted_words(call)
    if len(files) > 1:
        raise call.wrong(f"one configuration file, not {len(files)}: {', '.join(files)}")
    return Arguments(files[0] if files else "", variables, lists)


def sorted_words(call: Call) -> Words:
    """The configuration files that are named, and the NAME=VALUE variables.

    Raises:
        UsageError: a value is not UTF-8.
    """
    found = Words([*call.values("defconfig"), *call.values("config")], {}, {})
    for word in call.words:
        name, _, value = word.partition("=")
        if not _VARIABLE.match(word):
            found.files.append(word)
        elif not _is_text(word):
            raise call.wrong(f"this is not UTF-8: {word!r}")
        elif name in _LISTS:
            found.lists.setdefault(name, []).append(value)
        else:
            found.variables[name] = value
    return found


def _is_text(word: str) -> bool:
    """Python has stand-ins for bytes of the command line that are not UTF-8; no language of ours has."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def read(call: Call, screen: TextIO, *, announce: bool) -> Loaded:
    """Read the configuration that the call names; its warnings go to stderr.

    Args:
        call: with the options `--path`, `--format` and `-F` as far as the subcommand has them.
        screen: where the lines go that the file prints.
        announce: say there which file is read.

    Raises:
        UsageError: two files are named, or the file is nowhere.
        InvalidConfig: with everything that is wrong in it.
    """
    from domus import config

    given = arguments(call)
    name, search_path = given.file or DEFAULT_NAME, call.value("path", SEARCH_PATH)
    language = language_of(call)
    path = find(name, search_path)
    if path is None:
        raise call.wrong(f"Unable to open config file: {name}", hint=hint_for(name, search_path))
    if announce:
        print(f'Using config file "{path}".', file=screen, flush=True)
    loaded = config.load(path, variables=given.variables, lists=given.lists, search_path=(), format=language)
    for line in loaded.output:
        print(line, file=screen, flush=True)
    warn(loaded.warnings)
    return loaded


def language_of(call: Call) -> str | None:
    """The language that the call forces; None: the content tells.

    Raises:
        UsageError: -F, which means SXP, and --format with another one.
    """
    language = call.value("format") or None
    if not call.has("config"):
        return language
    if language not in (None, "sxp"):
        raise call.wrong(f"-F is for a file in SXP, not {language}", hint=f"-f FILE --format={language}")
    return "sxp"


def warn(warnings: Iterable[str]) -> None:
    """Tell what is doubtful, a line each on stderr."""
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr, flush=True)
