"""`xm domid`, `xm domname`, `xm domstate`: one word about one domain; `--json` has it as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.domain import DomainInfo

#: the letters of `xm list`, in the order in which xm looked at them, with xm's words
_WORDS: Final = (
    ("s", "shutoff"),
    ("b", "idle"),
    ("d", "shutdown"),
    ("r", "running"),
    ("c", "crashed"),
    ("p", "paused"),
)


def domid(call: Call) -> int:
    """`xm domid DOM`; "None" when it is defined and does not run."""
    return _tell(call, call.client.domain(_domain(call)).domid)


def domname(call: Call) -> int:
    """`xm domname DOM`."""
    return _tell(call, call.client.domain(_domain(call)).name)


def domstate(call: Call) -> int:
    """`xm domstate DOM`."""
    return _tell(call, state_word(call.client.domain(_domain(call))))


def _tell(call: Call, word: str | int | None) -> int:
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(word))
    else:
        print(word)
    return 0


def state_word(domain: DomainInfo) -> str:
    """What the domain does, in xm's words ("shutoff" is a domain that ended, or does not run)."""
    if domain.domid is None:
        return "shutoff"
    letters = domain.state_letters
    # No letter at all: runnable, and merely not on a CPU when Xen was asked.
    return next((word for letter, word in _WORDS if letter in letters), "running")


def _domain(call: Call) -> str:
    if len(call.words) != 1:
        raise call.wrong(f"'xm {call.command.name}' requires 1 arguments.")
    return call.words[0]
