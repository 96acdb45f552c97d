"""Wishes about one domain, uttered through the API's client as a user's program would."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from domus.model.api import CreateRequest, ShutdownKind
from domus.model.config import Disk, DomainConfig, Nic
from domus.model.domain import DomainInfo
from domus.model.errors import DomusError, OutcomeUnknown, Unreachable
from domus.model.machine import Scheduling
from domus.model.operation import Operation, OperationState
from tests.system.soak.belief import BASE_MIB, Answer, Asking, State, Wish
from tests.system.soak.traces import FOLDER

if TYPE_CHECKING:
    from domus.client.client import Client

_LOOK_EVERY: Final = 0.15  # seconds


@dataclass
class Place:
    """A domain that is played with: what it may be like, and what is asked of it in this round."""

    name: str
    managed: bool  #: it is one that is kept, or one that is created, saved and restored
    mac: str  #: of the card that comes and goes
    uuid: str = ""
    beliefs: frozenset[State] = frozenset({State()})
    askings: list[Asking] = field(default_factory=list)
    info: DomainInfo | None = None  #: after the last round
    boot: str = ""  #: the id of its boot, when it was seen to tick
    weights: dict[int, int] = field(default_factory=dict)  #: acknowledged ones, by revision

    @property
    def other_name(self) -> str:
        """What it is renamed to."""
        return f"{self.name}-renamed"

    @property
    def file(self) -> str:
        """Where it is saved."""
        return f"{FOLDER}/{self.name}.save"

    @property
    def images(self) -> tuple[str, str]:
        """Its disk, and the one that comes and goes."""
        return f"{FOLDER}/{self.name}.img", f"{FOLDER}/{self.name}-more.img"

    def config(self, kernel: str, ramdisk: str) -> DomainConfig:
        """What it is made from."""
        return DomainConfig(
            name=self.name,
            uuid=self.uuid,
            memory_mib=BASE_MIB,
            maxmem_mib=BASE_MIB + 16,
            kernel=kernel,
            ramdisk=ramdisk,
            cmdline=f"console=hvc0 quiet name={self.name}",
            disks=(Disk(vdev="xvda", target=self.images[0]),),
            nics=(Nic(bridge="xenbr0"),),
            scheduling=Scheduling(weight=256),
        )


def ask(
    client: Client, place: Place, asking: Asking, config: DomainConfig, clock: Callable[[], float]
) -> None:
    """Utter a wish, wait for its end, and note what became of it.

    Raises:
        Unreachable, OutcomeUnknown: xend was killed meanwhile.
    """
    asking.began = clock()
    try:
        _carry_out(client, place, asking, config)
        asking.answer = Answer.DONE
    except (Unreachable, OutcomeUnknown) as error:
        asking.text = type(error).__name__
        raise
    except DomusError as error:
        asking.answer, asking.text = Answer.FAILED, error.for_user()
    asking.ended = clock()


def _carry_out(client: Client, place: Place, asking: Asking, config: DomainConfig) -> None:
    wish, uuid = asking.wish, place.uuid
    match wish.verb:
        case "new":
            asking.acknowledged = client.managed.define(config).revision
        case "set":
            known = client.managed.get(uuid).config
            changed = msgspec.structs.replace(known, scheduling=Scheduling(weight=wish.number))
            asking.acknowledged = client.managed.configure(uuid, changed).revision
        case "delete":
            client.managed.delete(uuid)
        case "mem-set":
            client.memory.set_target(uuid, wish.number)
        case "vcpu-set":
            client.vcpus.set_online(uuid, 1)
        case "shutdown":
            client.shutdown(uuid)
        case "reboot":
            client.shutdown(uuid, ShutdownKind.REBOOT)
        case _:
            _wait(client, asking, _begin(client, place, wish, config))


def _begin(client: Client, place: Place, wish: Wish, config: DomainConfig) -> Operation:
    uuid = place.uuid
    begin: dict[str, Callable[[], Operation]] = {
        "start": lambda: client.managed.start(uuid),
        "create": lambda: client.create(CreateRequest(config=config)),
        "destroy": lambda: client.destroy(uuid),
        "suspend": lambda: client.saving.suspend(uuid),
        "resume": lambda: client.saving.resume(uuid),
        "save": lambda: client.saving.save(uuid, place.file),
        "checkpoint": lambda: client.saving.save(uuid, place.file, checkpoint=True),
        "restore": lambda: client.saving.restore(place.file),
        "attach-disk": lambda: client.devices.attach_disk(uuid, Disk(vdev="xvdb", target=place.images[1])),
        "detach-disk": lambda: client.devices.detach_disk(uuid, "xvdb", force=wish.force),
        "attach-card": lambda: client.devices.attach_nic(uuid, Nic(mac=place.mac, bridge="xenbr0")),
        "detach-card": lambda: client.devices.detach_nic(uuid, place.mac, force=wish.force),
        "rename": lambda: client.managed.rename(uuid, place.other_name if wish.number else place.name),
    }
    return begin[wish.verb]()


def _wait(client: Client, asking: Asking, operation: Operation) -> None:
    asking.operation = operation.id
    while not operation.state.final:
        time.sleep(_LOOK_EVERY)
        operation = client.operation(operation.id)
    if operation.state is not OperationState.DONE:
        raise DomusError(operation.problem.title if operation.problem else str(operation.state))
