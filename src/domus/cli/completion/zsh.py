"""The script for zsh."""

from __future__ import annotations

import shlex
from typing import Final

from domus.cli.command import Command
from domus.cli.completion.plan import FRONT, Following, following, takes_file, valued
from domus.cli.declared import present

_SCRIPT: Final = r"""#compdef xm
# Tab completion of xm for zsh: source <(xm help --completion=zsh), after compinit
_xm_names() {
    local -a names
    names=(${(f)"$(xm $host help --completion=$1 2>/dev/null </dev/null)"})
    compadd -a names
}
_xm() {
    local -a host commands
    local at=2 previous=${words[CURRENT-1]}
    while [[ ${words[at]} == -* && $at -lt $CURRENT ]]; do
        case ${words[at]} in
        --host=*) host=(${words[at]}) ;;
        --host) host=(--host ${words[at+1]}); at=$((at + 1)) ;;
        esac
        at=$((at + 1))
    done
    if [[ $previous == --host ]]; then _xm_names hosts; return; fi
    if [[ ${words[CURRENT]} == --host=* ]] && ((CURRENT <= at)); then
        compset -P '--host='; _xm_names hosts; return
    fi
    if ((CURRENT <= at)); then
        commands=(
@COMMANDS@
        )
        _describe -t commands subcommand commands
        compadd -- @FRONT@
        return
    fi
    local option=$previous
    if [[ ${words[CURRENT]} == --*=* ]]; then option=${words[CURRENT]%%=*}; compset -P '*='; fi
    local typed="${(j: :)words[at,CURRENT-1]} "
    case "$typed$option" in
@VALUES@
    esac
    case "$typed" in
@CASES@
    *) _files ;;
    esac
}
compdef _xm xm
"""


def script() -> str:
    """The whole script."""
    each = following()
    commands = "\n".join(f"        {_described(command)}" for command in present())
    return (
        _SCRIPT.replace("@COMMANDS@", commands)
        .replace("@FRONT@", " ".join(FRONT))
        .replace("@CASES@", "\n".join(map(_case, each)))
        .replace("@VALUES@", _values())
    )


def _described(command: Command) -> str:
    return shlex.quote(f"{command.name}:{command.sentence}")


def _values() -> str:
    rows = []
    for each, option in valued():
        typed = f"{shlex.quote(f'{each.words_before} ')}*--{option.word}"
        if option.choices:
            rows.append(f"    {typed}) compadd -- {' '.join(map(shlex.quote, option.choices))}; return ;;")
        elif takes_file(option):
            rows.append(f"    {typed}) _files; return ;;")
    return "\n".join(rows)


def _case(each: Following) -> str:
    words = " ".join(map(shlex.quote, [*each.spellings, *each.words]))
    steps = [f"compadd -- {words}"] if words else []
    steps += [f"_xm_names {name}" for name in each.names]
    steps += ["_files"] if each.files else []
    typed = shlex.quote(f"{each.words_before} ") + ("*" if each.last else "")
    return f"    {typed}) {'; '.join(steps) or ':'} ;;"
