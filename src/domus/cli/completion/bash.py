"""The script for bash."""

from __future__ import annotations

import shlex
from typing import Final

from domus.cli.completion.plan import FRONT, Following, following, valued
from domus.cli.declared import present

_SCRIPT: Final = r"""# Tab completion of xm for bash: source <(xm help --completion=bash)
_xm() {
    local word="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" at=1 host=()
    # bash cuts words at "=": the option's value is a word of its own behind it
    if [[ $word == = ]]; then
        word=""
    elif [[ $previous == = ]]; then
        previous="${COMP_WORDS[COMP_CWORD-2]}"
    fi
    while [[ ${COMP_WORDS[at]} == -* && $at -lt $COMP_CWORD ]]; do
        if [[ ${COMP_WORDS[at]} == --host ]]; then
            [[ ${COMP_WORDS[at+1]} == = ]] && at=$((at + 1))
            host=(--host "${COMP_WORDS[at+1]}"); at=$((at + 1))
        fi
        at=$((at + 1))
    done
    if [[ $previous == --host ]]; then
        COMPREPLY=($(compgen -W "$(_xm_names hosts)" -- "$word"))
        return
    fi
    if ((COMP_CWORD <= at)); then
        COMPREPLY=($(compgen -W "@COMMANDS@" -- "$word"))
        return
    fi
    local typed="${COMP_WORDS[*]:at:COMP_CWORD-at} "
    case "$typed$previous" in
@VALUES@
    esac
    case "$typed" in
@CASES@
    esac
}
_xm_names() {
    xm "${host[@]}" help --completion="$1" 2>/dev/null </dev/null
}
complete -o default -F _xm xm
"""


def script() -> str:
    """The whole script."""
    each = following()
    commands = " ".join([*(command.name for command in present()), *FRONT])
    return (
        _SCRIPT.replace("@COMMANDS@", commands)
        .replace("@CASES@", "\n".join(map(_case, each)))
        .replace("@VALUES@", _values())
    )


def _values() -> str:
    return "\n".join(
        f"        {shlex.quote(f'{each.words_before} ')}*--{option.word}) COMPREPLY=($(compgen -W "
        f'{shlex.quote(" ".join(option.choices))} -- "$word")); return ;;'
        for each, option in valued()
        if option.choices
    )


def _case(each: Following) -> str:
    words = shlex.quote(" ".join([*each.spellings, *each.words]))
    # Quoted by the shell's own rules first: what stays open is the substitution alone.
    asked = "".join(f" $(_xm_names {name})" for name in each.names)
    typed = shlex.quote(f"{each.words_before} ") + ("*" if each.last else "")
    return f'        {typed}) COMPREPLY=($(compgen -W {words}"{asked}" -- "$word")) ;;'
