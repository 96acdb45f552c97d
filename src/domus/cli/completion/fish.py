"""The script for fish."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.completion.plan import Following, following, takes_file
from domus.cli.declared import present

_HEAD: Final = r"""# Tab completion of xm for fish: xm help --completion=fish | source
function __xm_words
    # what stands before the subcommand, and then the subcommand
    set -l words (commandline -opc)
    set -l at 2
    while test $at -le (count $words); and string match -q -- '-*' $words[$at]
        if test $words[$at] = --host
            set at (math $at + 1)
        end
        set at (math $at + 1)
    end
    string join \n -- $words[2..$at]
end
function __xm_subcommand
    set -l words (__xm_words)
    if set -q words[1]; and not string match -q -- '-*' $words[-1]
        if not set -q words[2]; or test "$words[-2]" != --host
            echo $words[-1]
        end
    end
end
function __xm_none
    set -l now (__xm_subcommand)
    test -z "$now"
end
function __xm_typed
    # the subcommand and what follows it, without the word that is being typed
    if test -n (__xm_subcommand)
        set -l words (commandline -opc)
        string join ' ' -- $words[(math 1 + (count (__xm_words)))..-1]
    end
end
function __xm_at
    set -l now (__xm_typed)
    test "$now" = $argv[1]
end
function __xm_is
    set -l now (__xm_typed)
    string match -q -- "$argv[1] *" "$now "
end
function __xm_names
    set -l host
    set -l words (__xm_words)
    if set -l at (contains -i -- --host $words)
        set host --host $words[(math $at + 1)]
    end
    xm $host help --completion=$argv[1] 2>/dev/null </dev/null
end
complete -c xm -f
complete -c xm -n __xm_none -l host -x -a '(__xm_names hosts)' -d 'Ask this host'
complete -c xm -n __xm_none -s v -l verbose -d 'Say what is asked of whom'
complete -c xm -n __xm_none -l debug -d 'Explain failures'
complete -c xm -n __xm_none -l version -d 'Print the version'
"""


def script() -> str:
    """The whole script."""
    lines = [line for command in present() for line in _begun(command)]
    lines += [line for each in following() for line in _lines(each)]
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _begun(command: Command) -> list[str]:
    return [f"complete -c xm -n __xm_none -a {_quoted(command.name)} -d {_quoted(command.sentence)}"]


def _lines(each: Following) -> list[str]:
    when = f'__xm_{"is" if each.last else "at"} "{each.words_before}"'
    here = f"complete -c xm -n '{when}'"
    lines = [f"{here} {_option(option)}" for option in each.options]
    lines += [f"{here} -a {_quoted(' '.join(each.words))}"] if each.words else []
    lines += [f"{here} -a '(__xm_names {name})'" for name in each.names]
    lines += [f"{here} -F"] if each.files else []
    return lines


def _option(option: Option) -> str:
    parts = [f"-s {option.letter}"] if option.letter else []
    parts += [f"-l {option.word}"] if option.word else []
    if option.choices:
        parts.append(f"-x -a {_quoted(' '.join(option.choices))}")
    elif option.value:
        parts.append("-r -F" if takes_file(option) else "-x")
    return " ".join([*parts, f"-d {_quoted(option.help)}"])


def _quoted(text: str) -> str:
    # fish knows two escapes within single quotes: of the quote and of the backslash.
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
