"""Every error that Domus raises on purpose.

Families follow what the reader can do about it, not what happened inside::

    DomusError                      one line for the user: what, where, what to do
    ├── BadInput                    the request is wrong: mend it and call again
    │   ├── ConfigError             a configuration file is wrong, at a line and column
    │   └── Gone                    Xen no longer has this; the message says what replaced it
    ├── NotFound                    what was named does not exist
    │   └── DomainNotFound          no domain of that name, id or uuid (exit code 3)
    ├── Conflict                    it cannot be done in the present state
    │   ├── AlreadyExists           the name, uuid or file is taken
    │   ├── InUse                   somebody else has the disk, port or image
    │   ├── WrongState              the domain is not in a state in which this is possible
    │   └── Busy                    another operation holds the domain; later it succeeds
    ├── NoCapacity                  the host lacks memory, disk space or CPUs
    ├── Forbidden                   the caller may not do this
    ├── HostProblem                 the host did not do its part: read the cause, mend the host
    │   ├── LibxlError              libxl answered with an error code
    │   ├── XenStoreError           xenstored answered with an errno
    │   └── ProgramFailed           a program that we started ended badly
    ├── Unreachable                 no connection: daemon not running, refused, wrong certificate
    ├── OutcomeUnknown              the answer never came: it may have happened; read the state again
    ├── Cancelled                   the caller asked to stop; what had been done is undone
    └── Internal                    a mistake of ours; the log has the traceback

An error crosses the API as a `Problem`, and comes out of the client as the same class.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as it travels through the API (RFC 9457 problem details)."""

    type: str  #: the class's `code`, stable for programs
    title: str  #: what went wrong
    where: str = ""  #: where, such as "guest.cfg:7"; empty when the title says it all
    hint: str = ""  #: what to do about it


class DomusError(Exception):
    """Root of every error raised on purpose."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def for_user(self) -> str:
        """One line: `guest.cfg:7: unknown vif key 'brigde' (did you mean bridge?)`."""
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return " ".join(f"{place}{self.what}{advice}".split("\n"))

    def problem(self) -> Problem:
        """The same error as data for the API."""
        return Problem(type=self.code, title=self.what, where=self.where, hint=self.hint)


class BadInput(DomusError):
    """The request is wrong: mend it and call again."""

    code = "bad-input"


class ConfigError(BadInput):
    """A configuration file is wrong, at a line and column."""

    code = "config-error"


class Gone(BadInput):
    """Xen no longer has this; the message says what replaced it."""

    code = "gone"


class NotFound(DomusError):
    """What was named does not exist."""

    code = "not-found"


class DomainNotFound(NotFound):
    """No domain of that name, id or uuid."""

    code = "domain-not-found"
    exit_code = 3


class Conflict(DomusError):
    """It cannot be done in the present state."""

    code = "conflict"


class AlreadyExists(Conflict):
    """The name, uuid or file is taken."""

    code = "already-exists"


class InUse(Conflict):
    """Somebody else has the disk, port or image."""

    code = "in-use"


class WrongState(Conflict):
    """The domain is not in a state in which this is possible."""

    code = "wrong-state"


class Busy(Conflict):
    """Another operation holds the domain; the same call succeeds when that one ends."""

    code = "busy"


class NoCapacity(DomusError):
    """The host lacks memory, disk space or CPUs."""

    code = "no-capacity"


class Forbidden(DomusError):
    """The caller may not do this."""

    code = "forbidden"


class HostProblem(DomusError):
    """The host did not do its part: read the cause, mend the host."""

    code = "host-problem"


class LibxlError(HostProblem):
    """libxl answered with an error code; `what` names the call, the code and libxl's last log lines."""

    code = "libxl-error"


class XenStoreError(HostProblem):
    """xenstored answered with an errno name, such as ENOENT."""

    code = "xenstore-error"

    def __init__(self, what: str, *, where: str = "", hint: str = "", errno_name: str = "") -> None:
        super().__init__(what, where=where, hint=hint)
        self.errno_name = errno_name


class ProgramFailed(HostProblem):
    """A program that we started ended badly; the hint holds the line to paste."""

    code = "program-failed"


class Unreachable(DomusError):
    """No connection: the daemon is not running, refused, or showed the wrong certificate."""

    code = "unreachable"


class OutcomeUnknown(DomusError):
    """The answer never came: it may have happened. Read the state again before repeating."""

    code = "outcome-unknown"


class Cancelled(DomusError):
    """The caller asked to stop; what had been done is undone."""

    code = "cancelled"
    exit_code = 130


class Internal(DomusError):
    """A mistake of ours; the log has the traceback."""

    code = "internal"


def _family(root: type[DomusError]) -> dict[str, type[DomusError]]:
    classes = {root.code: root}
    for child in root.__subclasses__():
        classes |= _family(child)
    return classes


BY_CODE = _family(DomusError)


def from_problem(problem: Problem) -> DomusError:
    """The error that `problem` was made from; an unknown type (a newer xend) is a plain DomusError."""
    return BY_CODE.get(problem.type, DomusError)(problem.title, where=problem.where, hint=problem.hint)
