"""`xm config show|set|history|revert|diff`: what the host keeps of a managed domain, and kept before.

And `xm config migrate`, which is about the configuration of xend itself.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from domus.cli import configfile, editing
from domus.cli.as_json import document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domus.cli.options import Call
    from domus.model.managed import Difference, Revision

_ROW: Final = "{:>4}  {:<19}  {:<16}  {}"


def run(call: Call) -> int:
    """`xm config VERB DOM ...`."""
    if call.words[:1] == ["migrate"]:
        return _migrate(call, call.words[1:])
    verbs = {"show": _show, "set": _set, "history": _history, "revert": _revert, "diff": _diff}
    if not call.words or call.words[0] not in verbs:
        raise call.wrong(f"'xm config' does one of: {', '.join(verbs)}, migrate")
    if len(call.words) < 2:
        raise call.wrong(f"'xm config {call.words[0]}' takes a domain")
    return verbs[call.words[0]](call, call.words[1], call.words[2:])


def _migrate(call: Call, rest: list[str]) -> int:
    if len(rest) > 1:
        raise call.wrong("'xm config migrate' takes the old xend-config.sxp, or nothing")
    from pathlib import Path

    from domus.cli.xend_config import migrate

    return migrate(Path(rest[0]) if rest else None)


def _show(call: Call, name: str, rest: list[str]) -> int:
    if rest:
        raise call.wrong("'xm config show' takes one domain")
    if call.has("json") and call.has("format"):
        raise call.wrong("--format and --json are two ways of writing; one of them")
    if call.has("revision"):
        number = _number(call, call.value("revision"))
        revisions = [each for each in call.client.managed.history(name) if each.number == number]
        if not revisions:
            raise call.wrong(f"there is no revision {number}", hint=f"xm config history {name}")
        (revision,) = revisions
    else:
        revision = call.client.managed.get(name).revision
    if call.has("json"):
        sys.stdout.write(document(revision))
    else:
        sys.stdout.write(editing.written(revision.config, call.value("format", "xm")))
    return 0


def _set(call: Call, name: str, rest: list[str]) -> int:
    call.words = rest
    given = configfile.arguments(call)
    if not (given.file or given.variables or given.lists):
        raise call.wrong("set what?", hint=f"xm config set {name} memory=512, or a configuration file")
    known = call.client.managed.get(name)
    if given.file:
        config = configfile.read(call, sys.stderr, announce=False).config
    else:
        text = editing.written(known.config, "xm")
        config = editing.changed(
            known.config,
            text,
            text,
            "xm",
            source_name="what is kept",
            variables=given.variables,
            lists=given.lists,
        )
    from domus.cli.handover import hand_over

    what = f"set {' '.join([*given.variables, *given.lists])}" if not given.file else f"set from {given.file}"
    config = hand_over(config, call.target)
    managed = call.client.managed.configure(known.uuid, config, base=known.revision.number, what=what)
    tell(known.revision, managed.revision)
    return 0


def _history(call: Call, name: str, rest: list[str]) -> int:
    if rest:
        raise call.wrong("'xm config history' takes one domain")
    revisions = call.client.managed.history(name)
    if call.has("json"):
        sys.stdout.write(document(revisions))
        return 0
    print(_ROW.format("Rev", "When", "Who", "What"))
    for each in revisions:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.time))
        print(_ROW.format(each.number, when, each.who, each.what))
    return 0


def _revert(call: Call, name: str, rest: list[str]) -> int:
    if len(rest) != 1:
        raise call.wrong("'xm config revert' takes a domain and a revision", hint=f"xm config history {name}")
    known = call.client.managed.get(name)
    tell(known.revision, call.client.managed.revert(name, _number(call, rest[0])).revision)
    return 0


def _diff(call: Call, name: str, rest: list[str]) -> int:
    if rest:
        raise call.wrong("'xm config diff' takes one domain")
    differences = call.client.managed.differences(name)
    if call.has("json"):
        sys.stdout.write(document(differences))
    else:
        sys.stdout.writelines(f"{line}\n" for line in _told(differences))
    return 0


def _told(differences: Iterable[Difference]) -> Iterable[str]:
    return (f"{each.field}: runs with {each.running}, kept is {each.kept}" for each in differences)


def tell(before: Revision, after: Revision) -> None:
    """Say what became of a change."""
    if after.number == before.number:
        print(f"Nothing has changed: {after.config.name} is at revision {after.number}")
    else:
        print(f"{after.config.name} is at revision {after.number}")


def _number(call: Call, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise call.wrong("Invalid argument.")
    return int(text)
