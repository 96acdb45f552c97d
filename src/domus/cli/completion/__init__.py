"""Tab completion for bash, zsh and fish, made from the table of subcommands.

    source <(xm help --completion=bash)
    source <(xm help --completion=zsh)
    xm help --completion=fish | source

The scripts know subcommands and options by themselves; for names they ask `xm help --completion=domains`,
`=cpupools`, `=hosts` and `=images`, which print one per line and never start a lab host.
"""

from __future__ import annotations

from typing import Final

from domus.cli.target import without_starting
from domus.model.errors import BadInput

SHELLS: Final = ("bash", "zsh", "fish")


def answer(what: str, *, host: str | None) -> str:
    """The script for a shell, or the names that such a script asks for.

    Raises:
        BadInput: it is none of them.
    """
    match what:
        case "bash":
            from domus.cli.completion.bash import script
        case "zsh":
            from domus.cli.completion.zsh import script
        case "fish":
            from domus.cli.completion.fish import script
        case "domains":
            return _lines(_domains(host))
        case "cpupools":
            return _lines(_cpupools(host))
        case "hosts":
            return _lines(_hosts())
        case "images":
            return _lines(_images())
        case _:
            raise BadInput(f"no completion for {what!r}", hint=f"there is one for {', '.join(SHELLS)}")
    return script()


def _domains(host: str | None) -> list[str]:
    target = without_starting(host)
    return [domain.name for domain in target.client.domains()] if target else []


def _cpupools(host: str | None) -> list[str]:
    target = without_starting(host)
    return [pool.name for pool in target.client.cpupools.list()] if target else []


def _hosts() -> list[str]:
    from domus import lab
    from domus.client.hosts import Hosts

    return ["local", *Hosts().names(), *lab.names()]


def _images() -> list[str]:
    from domus.storage.images import places

    return [entry.reference for entry in places.store().entries()]


def _lines(names: list[str]) -> str:
    return "".join(f"{name}\n" for name in names)
