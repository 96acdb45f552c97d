"""Tab completion, made from the table of subcommands: `source <(xm help --completion=bash)`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from domus.cli.declared import present
from domus.cli.target import without_starting
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.command import Command

_BASH = r"""# Tab completion of xm for bash: source <(xm help --completion=bash)
_xm() {
    local word="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" at=1 host=()
    while [[ ${COMP_WORDS[at]} == --* && $at -lt $COMP_CWORD ]]; do
        if [[ ${COMP_WORDS[at]} == --host ]]; then
            host=(--host "${COMP_WORDS[at+1]}"); at=$((at + 1))
        fi
        at=$((at + 1))
    done
    if [[ $previous == --host ]]; then
        COMPREPLY=($(compgen -W "local $(xm host list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word"))
        return
    fi
    if ((COMP_CWORD <= at)); then
        COMPREPLY=($(compgen -W "@COMMANDS@ --host --debug" -- "$word"))
        return
    fi
    case "$previous" in
@VALUES@
    esac
    case "${COMP_WORDS[at]}" in
@CASES@
    esac
}
_xm_domains() {
    xm "${host[@]}" help --completion=domains 2>/dev/null </dev/null
}
complete -o default -F _xm xm
"""


def answer(what: str, *, host: str | None) -> str:
    """The script for a shell; "domains" is what the script itself asks for: their names, one per line.

    Raises:
        BadInput: it is neither "bash" nor "domains".
    """
    if what == "bash":
        return script()
    if what == "domains":
        # Pressing Tab must not start a lab host.
        target = without_starting(host)
        names = [domain.name for domain in target.client.domains()] if target else []
        return "".join(f"{name}\n" for name in names)
    raise BadInput(f"no completion for {what!r}", hint="there is one for bash")


def script() -> str:
    """The completion script for bash, made from the table of subcommands."""
    commands = " ".join(command.name for command in present())
    cases = "\n".join(_case(command) for command in present())
    return _BASH.replace("@COMMANDS@", commands).replace("@CASES@", cases).replace("@VALUES@", _values())


def _values() -> str:
    """Cases for the options that have a choice of values."""
    options = {option.word: option for command in present() for option in command.options if option.choices}
    return "\n".join(
        f"        --{word}) COMPREPLY=($(compgen -W "
        f'{shlex.quote(" ".join(option.choices))} -- "$word")); return ;;'
        for word, option in options.items()
    )


def _case(command: Command) -> str:
    words: list[str] = []
    for option in command.options:
        if not option.later:
            words += [f"-{option.letter}"] if option.letter else []
            words.append(f"--{option.word}")
    if command.name == "help":
        words += [other.name for other in present()]
    if command.raw:
        words += command.usage.partition(" ")[0].split("|")
    domains = " $(_xm_domains)" if "DOM" in command.usage else ""
    # Quoted by the shell's own rules first: what stays open is the substitution alone.
    return (
        f"        {command.name}) COMPREPLY=($(compgen -W "
        f'{shlex.quote(" ".join(words))}"{domains}" -- "$word")) ;;'
    )
