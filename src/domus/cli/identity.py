"""`xm domid`, `xm domname`, `xm domstate`: one word about one domain."""

from __future__ import annotations

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
    print(call.client.domain(_domain(call)).domid)
    return 0


def domname(call: Call) -> int:
    """`xm domname DOM`."""
    print(call.client.domain(_domain(call)).name)
    return 0


def domstate(call: Call) -> int:
    """`xm domstate DOM`."""
    print(state_word(call.client.domain(_domain(call))))
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
