"""What has to be taken back when an operation fails or xend is killed: records on disk, written first.

A record is data, a tagged msgspec struct; undoing one must be harmless when it is repeated, or when the
step that it belongs to never began. One that `finishes` goes forward instead: it is what is left to do, and
the operation is done once it is.
`UndoRecord` names those of this xend; a record stays readable by the next version: fields are only added,
with defaults.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from domus.domains.changes import ConfigChange
from domus.domains.database import Database
from domus.model.config import Disk, PciDevice
from domus.model.networks import Network
from domus.model.operation import Operation

#: Final operations that can still be asked about.
KEPT_OPERATIONS = 500


class DestroyDomain(msgspec.Struct, frozen=True, tag="destroy-domain"):
    """Take away the domain of this uuid: to undo its creation, or to finish its destruction."""

    uuid: str
    domid: int | None = None  #: only this one; None: whichever has the uuid
    finishes: bool = False


class ForgetConfig(msgspec.Struct, frozen=True, tag="forget-config"):
    """Forget the configuration that was kept for a domain to be created."""

    uuid: str


class RenameDomain(msgspec.Struct, frozen=True, tag="rename-domain"):
    """Give the domain of this uuid its old name back, wherever it has another one."""

    uuid: str
    name: str


class ForgetDefinition(msgspec.Struct, frozen=True, tag="forget-definition"):
    """Let a domain that was to be managed be unmanaged again."""

    uuid: str


class KeepChange(msgspec.Struct, frozen=True, tag="keep-change"):
    """A change has been made in Xen: it is to be kept, see `domus.domains.keeping`."""

    finishes: ClassVar[bool] = True

    uuid: str
    domid: int | None  #: the boot that was changed; None: it does not run
    change: ConfigChange
    who: str = ""  #: who wants it in the configuration for its next starts; "": nobody
    what: str = ""  #: what it is, for the history


class MemoryBack(msgspec.Struct, frozen=True, tag="memory-back"):
    """Let this boot of a domain have the memory that it had. KiB."""

    uuid: str
    domid: int
    target_kib: int
    max_kib: int


class DomainZeroBack(msgspec.Struct, frozen=True, tag="domain-0-back"):
    """Let domain 0 have the memory again that it gave for a new domain, if it was asked for nothing since."""

    was_kib: int  #: what it was meant to have before
    gave_kib: int  #: and after


class VcpusBack(msgspec.Struct, frozen=True, tag="vcpus-back"):
    """Ask this boot of a domain to have so many VCPUs online again."""

    uuid: str
    domid: int
    online: int


class SchedulingBack(msgspec.Struct, frozen=True, tag="scheduling-back"):
    """Give this boot of a domain the parameters back that its scheduler had for it."""

    uuid: str
    domid: int
    parameters: dict[str, int | str]  #: libxl_domain_sched_params
    vcpus: tuple[dict[str, int], ...] = ()  #: libxl_sched_params of single VCPUs


class TakeDevice(msgspec.Struct, frozen=True, tag="take-device"):
    """Take a device away at once: to undo its attachment, or to finish a forced detachment."""

    uuid: str
    domid: int
    kind: str  #: of its frontend: "vbd", "vif"
    devid: int
    mark: str  #: what tells it from another one of that number: a disk's target, a card's MAC address
    finishes: bool = False
    keep: KeepChange | None = None  #: that it is detached is kept so


class SettleDevice(msgspec.Struct, frozen=True, tag="settle-device"):
    """A device whose guest was asked to let go of it: taken away if the guest has, else put back."""

    uuid: str
    domid: int
    kind: str
    devid: int
    keep: KeepChange | None = None  #: if it is taken away, that is kept so


class PutMedium(msgspec.Struct, frozen=True, tag="put-medium"):
    """Put the medium back that was in a CD drive of this boot of a domain."""

    uuid: str
    domid: int
    document: dict[str, Any]  #: the drive with its medium, as libxl has it
    kept: Disk | None = None  #: what xend keeps of it


class TakePci(msgspec.Struct, frozen=True, tag="take-pci"):
    """Take a PCI device from a domain: to undo its attachment, or to finish a forced detachment."""

    uuid: str
    domid: int
    device: PciDevice
    finishes: bool = False


class SettlePci(msgspec.Struct, frozen=True, tag="settle-pci"):
    """A PCI device whose guest was asked to let go of it: what xend keeps is what became of it."""

    uuid: str
    domid: int
    device: PciDevice


class TakeUsb(msgspec.Struct, frozen=True, tag="take-usb"):
    """Take a USB device of the host from a domain."""

    uuid: str
    domid: int
    hostbus: int
    hostaddr: int


class TakeNew(msgspec.Struct, frozen=True, tag="take-new"):
    """Take the devices of a kind from a domain whose numbers are not among those from before."""

    uuid: str
    domid: int
    kind: str  #: "usbctrl", "vtpm", "vkb", "vdispl" or "vsnd"
    before: tuple[int, ...]


class RemoveFile(msgspec.Struct, frozen=True, tag="remove-file"):
    """Remove a file that was being written."""

    path: str


class ResumeDomain(msgspec.Struct, frozen=True, tag="resume-domain"):
    """Let a domain go on that suspended itself to be saved, or was about to."""

    uuid: str
    domid: int


class UnpauseDomain(msgspec.Struct, frozen=True, tag="unpause-domain"):
    """Let a domain go on that was paused for a moment."""

    uuid: str
    domid: int


class FinishSave(msgspec.Struct, frozen=True, tag="finish-save"):
    """The domain's memory is on disk: give the file its name, and take the domain away or let it go on."""

    finishes: ClassVar[bool] = True

    part: str  #: where the file is now
    path: str  #: where it shall be
    uuid: str
    domid: int | None = None  #: to be taken away; None: the domain goes on
    goes_on: int | None = None  #: its domid, if it does and has suspended itself


class DestroyCpupool(msgspec.Struct, frozen=True, tag="destroy-cpupool"):
    """Take away the cpupool of this number, unless it has another name than this."""

    pool: int
    name: str


class RenameCpupool(msgspec.Struct, frozen=True, tag="rename-cpupool"):
    """Give a cpupool the name that it had."""

    pool: int
    name: str


class ReturnCpus(msgspec.Struct, frozen=True, tag="return-cpus"):
    """Put CPUs that are free into a cpupool, and take others out of it that are in it."""

    pool: int
    into: tuple[int, ...] = ()
    out: tuple[int, ...] = ()


class Pin(msgspec.Struct, frozen=True):
    """On which CPUs a VCPU may run and prefers to; None: not to be changed."""

    vcpu: int
    hard: tuple[int, ...] | None = None
    soft: tuple[int, ...] | None = None


class PinBack(msgspec.Struct, frozen=True, tag="pin-back"):
    """Pin the VCPUs of this boot of a domain as they were pinned."""

    uuid: str
    domid: int
    pins: tuple[Pin, ...]


class PutNetwork(msgspec.Struct, frozen=True, tag="put-network"):
    """Keep a network as it was defined, with its rules before its cards."""

    network: Network


class FirewallBack(msgspec.Struct, frozen=True, tag="firewall-back"):
    """Filter the cards of this boot of a domain by these rules."""

    domid: int
    rules: tuple[str, ...]


class FinishDelete(msgspec.Struct, frozen=True, tag="finish-delete"):
    """A managed domain is to be forgotten, with its history and its memory if it is suspended."""

    finishes: ClassVar[bool] = True

    uuid: str


class StopNetwork(msgspec.Struct, frozen=True, tag="stop-network"):
    """Take away what a named network has in dom0.

    Both ways: it undoes a start, and finishes a stop that was cut off.
    """

    network: Network  #: as it was defined then


class FinishResume(msgspec.Struct, frozen=True, tag="finish-resume"):
    """The suspended domain is back in memory: its file must not be resumed again, and it may run."""

    finishes: ClassVar[bool] = True

    path: str
    uuid: str
    domid: int | None = None  #: None: it stays paused


class SettleMove(msgspec.Struct, frozen=True, tag="settle-move"):
    """A move from or to another host: brought to the end that both hosts can know of."""

    after_kill: ClassVar[str] = "whose the domain is, xend finds out now: xm migrate --list"

    id: str


UndoRecord = (
    DestroyDomain
    | ForgetConfig
    | RenameDomain
    | ForgetDefinition
    | KeepChange
    | MemoryBack
    | DomainZeroBack
    | VcpusBack
    | SchedulingBack
    | TakeDevice
    | SettleDevice
    | PutMedium
    | TakePci
    | SettlePci
    | TakeUsb
    | TakeNew
    | RemoveFile
    | ResumeDomain
    | UnpauseDomain
    | FinishSave
    | DestroyCpupool
    | RenameCpupool
    | ReturnCpus
    | PinBack
    | FirewallBack
    | FinishDelete
    | FinishResume
    | SettleMove
    | StopNetwork
    | PutNetwork
)

R = TypeVar("R", bound=msgspec.Struct)


class Journal(Generic[R]):
    """Operations and their undo records on disk.

    Args:
        record_type: type (a union, usually) of the records.
    """

    def __init__(self, database: Database, record_type: Any) -> None:
        self._database = database
        self._decode = msgspec.json.Decoder(record_type).decode

    async def keep(self, operation: Operation, step: int = 0, records: Sequence[R] = ()) -> None:
        """Write down how an operation stands, and records to undo before those from before.

        Args:
            step: number of the first of `records` within its operation.
        """
        numbered = [
            (operation.id, step + index, msgspec.json.encode(each)) for index, each in enumerate(records)
        ]

        def work(connection: sqlite3.Connection) -> None:
            _keep(connection, operation)
            connection.executemany("INSERT OR REPLACE INTO undo VALUES (?, ?, ?)", numbered)

        await self._database.write(work)

    async def keep_only(self, operation: Operation, step: int, record: R) -> None:
        """Instead of everything that there was to undo, this is to be carried out."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM undo WHERE operation = ?", (operation.id,))
            encoded = msgspec.json.encode(record)
            connection.execute("INSERT INTO undo VALUES (?, ?, ?)", (operation.id, step, encoded))

        await self._database.write(work)

    async def finish(self, operation: Operation) -> None:
        """Write down an operation's end; it has nothing to undo any more."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM undo WHERE operation = ?", (operation.id,))
            _keep(connection, operation)

        await self._database.write(work)

    async def undone(self, operation_id: str, step: int) -> None:
        """One record has been carried out."""
        await self._database.write(
            lambda connection: connection.execute(
                "DELETE FROM undo WHERE operation = ? AND step = ?", (operation_id, step)
            )
        )

    async def records(self, operation_id: str) -> list[tuple[int, R]]:
        """An operation's records with their step, in the order in which they are to be undone."""
        query = "SELECT step, record FROM undo WHERE operation = ? ORDER BY step DESC"
        rows = await self._database.read(
            lambda connection: connection.execute(query, (operation_id,)).fetchall()
        )
        return [(step, self._decode(record)) for step, record in rows]

    async def unfinished(self) -> set[str]:
        """The operations that have something to undo."""
        query = "SELECT DISTINCT operation FROM undo"
        rows = await self._database.read(lambda connection: connection.execute(query).fetchall())
        return {operation for (operation,) in rows}

    async def operations(self) -> list[Operation]:
        """All operations that are known."""
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT snapshot FROM operation").fetchall()
        )
        decoder = msgspec.json.Decoder(Operation)
        return sorted((decoder.decode(row[0]) for row in rows), key=lambda operation: operation.started)

    async def prune(self, forgotten: Sequence[str]) -> None:
        """Forget final operations."""
        rows = [(each,) for each in forgotten]
        await self._database.write(
            lambda connection: connection.executemany("DELETE FROM operation WHERE id = ? AND final", rows)
        )


def _keep(connection: sqlite3.Connection, operation: Operation) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO operation VALUES (?, ?, ?)",
        (operation.id, msgspec.json.encode(operation), operation.state.final),
    )
