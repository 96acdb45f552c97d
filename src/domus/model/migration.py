"""Domains on their way from one host to another: what the hosts tell each other, and what each remembers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from domus.model.config import DomainConfig
from domus.model.errors import Problem
from domus.model.managed import ExportedDomain
from domus.model.places import TLS_PORT

#: of what hosts tell each other; a host refuses offers of another one
PROTOCOL: Final = 1

#: what the name of a domain ends in while it arrives, as xl has it
INCOMING: Final = "--incoming"


class Stage(StrEnum):
    """How far a move is, on one of its two hosts. What each means is in docs/migration.md."""

    SENDING = "sending"  #: it is the sender's, which may take all of it back
    HANDING_OVER = "handing-over"  #: the sender has said yes: what the other says decides, or a person
    SENT = "sent"  #: it is the other host's
    KEPT = "kept"  #: it stays the sender's
    RECEIVING = "receiving"  #: its memory arrives
    READY = "ready"  #: it is built, and paused until the sender says yes
    TAKEN = "taken"  #: it is the receiver's
    REFUSED = "refused"  #: it never will be

    @property
    def decided(self) -> bool:
        """It is known whose the domain is."""
        return self in (Stage.SENT, Stage.KEPT, Stage.TAKEN, Stage.REFUSED)

    @property
    def arriving(self) -> bool:
        """It is the receiver's side of a move."""
        return self in (Stage.RECEIVING, Stage.READY, Stage.TAKEN, Stage.REFUSED)


class Copying(StrEnum):
    """What happens to disks that only the sending host has."""

    WHOLE = "whole"  #: all of each goes to the other host, where nothing may be in its place
    INCREMENTAL = "incremental"  #: what is in its place there is its base: only what differs is sent


class Partner(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The other host of a move, and where its xend is reached."""

    name: str  #: for people
    address: str
    port: int = TLS_PORT
    server_name: str = ""  #: the name in its certificate; "": `address`


class MadeFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image file that a receiver made for a disk: it goes if the domain does not come.

    It is made beside its place, and only then gets its name: whatever else has that name is never ours.
    """

    path: str
    part: str  #: where it is made
    device: int = 0  #: st_dev and st_ino, once it is made
    inode: int = 0


class Move(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one host remembers of a move."""

    id: str  #: the same on both hosts
    stage: Stage
    domain: str
    uuid: str
    domid: int | None = None  #: here
    partner: Partner
    who: str = ""  #: who asked for it; of one that arrives, whose certificate the sender showed
    started: float = 0.0  #: seconds since the epoch
    changed: float = 0.0  #: when it got to this stage
    settled: bool = False  #: everything that follows from its stage is done
    told: str = ""  #: why it stands where it stands, for people
    managed: ExportedDomain | None = None  #: what is kept of it, and is kept where it is
    memory_bytes: int = 0  #: of libxl's stream
    sent_bytes: int = 0  #: of it as it was sent, packed; with disks that were copied
    copied: tuple[str, ...] = ()  #: targets of disks that were copied, and are on both hosts since
    replicated: bool = False  #: it stays where it is, and is kept on the other host for the case of its loss
    made: tuple[MadeFile, ...] = ()  #: what was made here for them
    held: bool = False  #: it may be paused, so that its last round ends: whoever settles this lets it go on
    rounds: int = 0  #: of its memory that were sent while it ran, of a live move


class DiskIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What tells one disk of a domain from all others, whatever a host calls it."""

    vdev: str
    target: str = ""  #: the sender's name for it
    marks: tuple[str, ...] = ()  #: each is the same on every host that has this very disk; none: it is local
    size_bytes: int = 0
    local: str = ""  #: why it can be of no other host, for people: "a file on ext4"
    data_bytes: int = 0  #: what it takes on its host, without holes
    virtual_bytes: int = 0  #: what the guest sees of an image in a format of its own
    below: tuple[str, ...] = ()  #: the images that it stands on, the next one first


class HostFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What decides whether a domain of one host can go on on another."""

    host: str
    port: int = TLS_PORT  #: of its xend, for questions after an accident
    xen: tuple[int, int]  #: version
    features: tuple[
        int, ...
    ] = ()  #: of CPUs, as guests of this kind see them: Xen's featureset, 32 bits each


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST /v1/migrations: one xend asks another whether it takes a domain."""

    protocol: int = PROTOCOL
    id: str
    config: DomainConfig
    present: dict[str, Any] = {}  #: members of libxl's b_info as they are now
    sender: HostFacts
    disks: tuple[DiskIdentity, ...] = ()
    managed: ExportedDomain | None = None
    assume_shared: bool = False  #: disks of the same path are the same
    copying: Copying | None = None  #: disks that are not shared come, too
    replicated: bool = False  #: its memory comes in checkpoints, and the last one counts when they end
    #: seconds without an answer after which it runs there; 0: a person decides
    failover_s: Annotated[int, msgspec.Meta(ge=0)] = 0
    check_only: bool = False


class CopiedDisk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A disk that the receiver has not: its bytes come in front of the domain's memory, and behind it."""

    place: int  #: in config.disks
    vdev: str
    target: str  #: where it will be on the receiving host
    size_bytes: int
    fresh: bool = False  #: a new file there: what is not sent is zeros
    base: bool = False  #: there is something in its place, which the sender asks for before
    below: bool = False  #: not the disk, but an image that it stands on: the same must be there
    grows: bool = False  #: a file in a format of its own, of any length


class Digests(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/migrations/{id}/disks/{number}?first=N: some chunks of what is in a copied disk's place."""

    digests: bytes  #: of chunks from number N on; none: there are no more


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the other xend says to an offer; without problems it expects the domain now."""

    host: str
    problems: tuple[Problem, ...] = ()
    missing: tuple[str, ...] = ()  #: images that it needs first, "sha256:HEX"
    copied: tuple[CopiedDisk, ...] = ()  #: disks that it needs with the memory


class MigrateRequest(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """POST /v1/domains/REF/migrate: move it to another host."""

    to: Partner
    live: bool = False  #: it runs while its memory is copied
    bandwidth: int = 0  #: bytes per second at the most; 0: as fast as it goes
    assume_shared: bool = False  #: disks of the same path are the same, whatever they look like
    copy_storage: Copying | None = None  #: disks that are not shared are copied while it runs
    #: rounds of a live move while the domain runs, at the most; 0: libxl's own limit, which is 5
    max_iterations: Annotated[int, msgspec.Meta(ge=0)] = 0
    #: ms in which the rest of a live move's memory shall be sent: as soon as that is expected, no further
    #: round is made while the domain runs; 0: libxl says when
    downtime_ms: Annotated[int, msgspec.Meta(ge=0)] = 0


class ReplicateRequest(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """POST /v1/domains/REF/replicate: keep a copy of it on another host, checkpoint by checkpoint (Remus)."""

    to: Partner | None = None  #: None: checkpoints go nowhere, which shows what they cost
    interval_ms: Annotated[int, msgspec.Meta(ge=1)] = 200  #: that it runs between two checkpoints
    network_buffering: bool = True  #: what it sends is held back until the checkpoint behind it is there
    network_script: str = ""  #: sets that up; "": Xen's own
    disk_replication: bool = True  #: its disks are DRBD's, and are checkpointed too
    unsafe: bool = False  #: it may be done without one of these
    #: seconds without an answer after which it runs there; 0: a person decides
    failover_s: Annotated[int, msgspec.Meta(ge=0)] = 0


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What two hosts found before a move."""

    problems: tuple[Problem, ...] = ()  #: what would make it fail
    remarks: tuple[str, ...] = ()  #: what one should know
    copied: tuple[CopiedDisk, ...] = ()  #: disks that would be copied


class Side(StrEnum):
    """Where a domain is, as a person decides."""

    HERE = "here"
    THERE = "there"


class DecideRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/domains/REF/decide: what a person knows, and the hosts could not find out."""

    side: Side
