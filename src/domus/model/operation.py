"""Long work: an operation has an id, progress, and a result that stays until it is forgotten."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from domus.model.errors import Problem


class OperationState(StrEnum):
    """Where an operation is; the last three are final."""

    RUNNING = "running"
    UNDOING = "undoing"  #: it failed or was cancelled, and takes back what it had done
    DONE = "done"
    FAILED = "failed"  #: and undone; `problem` says why
    CANCELLED = "cancelled"  #: and undone

    @property
    def final(self) -> bool:
        """Nothing more will happen to it."""
        return self in (OperationState.DONE, OperationState.FAILED, OperationState.CANCELLED)


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A snapshot of an operation."""

    id: str
    kind: str  #: such as "create" or "destroy"
    domain: str = ""  #: name of the domain it is about
    uuid: str = ""  #: and its uuid
    state: OperationState
    step: str = ""  #: what it is doing now, in words for people
    progress: float | None = None  #: 0..1; None: not known
    who: str = ""  #: who asked, such as "uid:0" or "cn:laptop"
    started: float = 0.0  #: seconds since the epoch
    ended: float | None = None
    domid: int | None = None  #: result of "create" and the like: the new domain's id
    path: str = ""  #: result of "save" and "dump-core": the file on the host
    problem: Problem | None = None  #: why it failed


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened on a host. Revisions count up by one and never repeat."""

    revision: int
    time: float  #: seconds since the epoch
    kind: str  #: such as "domain.created"; `domus.domains.events` has the closed set
    domain: str = ""
    domid: int | None = None
    uuid: str = ""
    detail: dict[str, str] = {}
