"""Plugs devices as their backends ask for it: one watch on dom0's backends in XenStore, no scripts.

An event costs a look at the device it is about, never a scan. The directory is read through once when the
watch begins, and again if the connection to xenstored was lost: that is how a restarted xend finds all
devices, and answers those that waited meanwhile.

hotplug = Hotplug(store, wanted)
await hotplug.start()
...                                   # libxl makes a domain; its backends are answered meanwhile
await hotplug.wait_plugged(domid, vbds=[51712], vifs=[0], within=10)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from domus.devices import disk_qemu, vbd, vif
from domus.devices.backends import (
    CONNECTED,
    FAILED,
    ROOT,
    BackendState,
    DeviceKind,
    DeviceRef,
    Everything,
    OfDevice,
    OfDomain,
    parse,
)
from domus.devices.cards import Cards
from domus.model.config import Nic
from domus.model.errors import (
    DomusError,
    HostProblem,
    Internal,
    OutcomeUnknown,
    Unreachable,
    XenStoreError,
)
from domus.network.bridges import DEFAULT_MTU
from domus.xen.xenstore import Transaction, XenStore

log = logging.getLogger(__name__)

Nodes = dict[str, str | None]

#: what the configuration of a vif's domain says of it (None: xend does not know the domain), and its rules
Wanted = Callable[[DeviceRef], Awaitable[tuple[Nic | None, tuple[str, ...]]]]

#: Nodes whose change may mean work; everything else of a device is written along with its directory.
_TELLING: Final = {
    DeviceKind.VBD: frozenset({"state", "physical-device"}),
    DeviceKind.VIF: frozenset({"state"}),
    DeviceKind.QDISK: frozenset({"params"}),
}
_NODES: Final = {DeviceKind.VBD: vbd.NODES, DeviceKind.VIF: vif.NODES, DeviceKind.QDISK: vbd.NODES}

_LOOK_EVERY: Final = 0.02  # seconds, for what the kernel does not announce in XenStore


class Hotplug:
    """Answers the backends of devices that have no script of their own, and knows which disks are in use.

    Args:
        wanted: asked about a vif before it is plugged in.
    """

    def __init__(self, store: XenStore, wanted: Wanted) -> None:
        #: called with a domid when a device of that domain has come or gone
        self.on_change: Callable[[int], None] = lambda domid: None
        self._store = store
        self._wanted = wanted
        self.cards = Cards()
        self._occupants: dict[DeviceRef, vbd.Occupant] = {}
        #: names of the vifs' devices in dom0
        self._vifs: dict[DeviceRef, str] = {}
        #: devices whose plugging has ended: None when well, else why not
        self._outcomes: dict[DeviceRef, DomusError | None] = {}
        self._at_work: dict[DeviceRef, asyncio.Task[None]] = {}
        self._again: set[DeviceRef] = set()
        self._news = asyncio.Event()  # replaced by a new one at each change of the two above
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; on return every device that exists has been looked at."""
        begun = asyncio.Event()
        self._watching = asyncio.create_task(self._watch(begun), name="hotplug")
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait([self._watching, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._watching.done():
            await self._watching
        try:
            await self.cards.rebuild()
        except DomusError as error:
            log.error("packet filters stay as they are: %s", error.for_user())

    async def close(self) -> None:
        """End; what is plugged stays plugged."""
        tasks = [task for task in (self._watching, *self._at_work.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def occupants(self) -> list[vbd.Occupant]:
        """The disks that domains have now, whoever started them."""
        return list(self._occupants.values())

    async def changed(self) -> None:
        """Wait until a device comes, goes, or is plugged."""
        await self._news.wait()

    def vif_names(self, domid: int) -> list[str]:
        """The network devices of dom0 that belong to a domain."""
        return [name for device, name in self._vifs.items() if device.domid == domid]

    def numbers(self, domid: int, kinds: Collection[DeviceKind]) -> set[int]:
        """The numbers of the devices of these kinds that a domain has in dom0."""
        known = (*self._occupants, *self._vifs)
        return {device.devid for device in known if device.domid == domid and device.kind in kinds}

    async def wait_plugged(
        self, domid: int, *, vbds: Collection[int], vifs: Collection[int], within: float
    ) -> None:
        """Wait until devices of a domain are plugged, and blkback has the vbds open.

        Args:
            vbds: device numbers of those that xend plugs.
            vifs: likewise.
            within: seconds.

        Raises:
            HostProblem: one could not be plugged, in xm's words; or the time is over.
        """
        devices = [DeviceRef(DeviceKind.VBD, domid, devid) for devid in vbds]
        devices += [DeviceRef(DeviceKind.VIF, domid, devid) for devid in vifs]
        try:
            async with asyncio.timeout(within):
                for device in devices:
                    await self._plugged(device)
        except TimeoutError:
            late = next((each for each in devices if each not in self._outcomes), devices[0])
            raise await self._refusal(late, f"It was not ready within {within:g} s.") from None

    async def wait_served(self, device: DeviceRef, *, within: float) -> None:
        """Wait until blkback has a vbd open that somebody else plugs.

        Raises:
            HostProblem: it cannot, or the time is over.
        """
        try:
            async with asyncio.timeout(within):
                await self._served(device)
        except TimeoutError:
            raise await self._refusal(device, f"It was not ready within {within:g} s.") from None

    async def wait_offered(self, device: DeviceRef, *, within: float) -> None:
        """Wait until QEMU has a disk open, and offers it to the guest.

        Raises:
            HostProblem: it does not, in its words where it has some.
        """
        state = BackendState.UNKNOWN
        try:
            async with asyncio.timeout(within):
                while not BackendState.INIT_WAIT <= state <= BackendState.CONNECTED:
                    await asyncio.sleep(_LOOK_EVERY)
                    state = BackendState.parse(await self._store.read_text(f"{device.path}/state"))
        except TimeoutError:
            said = await asyncio.to_thread(disk_qemu.last_words, device.devid)
            raise await self._refusal(device, said or f"QEMU did not open it within {within:g} s.") from None

    async def wait_gone(self, domid: int) -> None:
        """Wait until no backend of a domain is left."""
        while any(device.domid == domid for device in self._known()):
            await self._news.wait()

    async def wait_unplugged(self, device: DeviceRef) -> None:
        """Wait until the backend of a device is gone."""
        while device in self._known():
            await self._news.wait()

    def names_of(self, device: DeviceRef) -> tuple[str | None, str | None]:
        """The block device that a disk's backend serves, and the name of a vif's device in dom0."""
        disk = self._occupants.get(device)
        return None if disk is None else disk.params, self._vifs.get(device)

    async def _plugged(self, device: DeviceRef) -> None:
        while device not in self._outcomes:
            await self._news.wait()
        if (error := self._outcomes[device]) is not None:
            raise await self._refusal(device, error.for_user()) from error
        if device.kind is DeviceKind.VBD:
            await self._served(device)

    async def _served(self, device: DeviceRef) -> None:
        while not vbd.is_served(device):
            if said := await self._store.read_text(device.error_path):
                raise await self._refusal(device, said)
            await asyncio.sleep(_LOOK_EVERY)

    async def _refusal(self, device: DeviceRef, why: str) -> HostProblem:
        if await self._store.read(f"{device.path}/state") is None:
            why = "Backend device not found."
        return HostProblem(f"Device {device} could not be connected. {why}")

    # The watch

    async def _watch(self, begun: asyncio.Event) -> None:
        async with self._store.watch(ROOT) as watch:
            while changed := await watch.changes():
                try:
                    await self._look(changed)
                except DomusError as error:
                    # The connection was lost: the watch fires for everything once it is back.
                    log.warning("backends in XenStore: %s", error.for_user())
                except Exception:
                    log.exception("a mistake in looking at %s", changed)
                begun.set()

    async def _look(self, changed: Iterable[str]) -> None:
        for change in {parse(path) for path in changed}:
            match change:
                case Everything():
                    for kind in DeviceKind:
                        await self._look_through(kind)
                case OfDomain(kind, domid):
                    for device in self._known():
                        if device.kind is kind and domid in (None, device.domid):
                            self._work_on(device)
                case OfDevice(device, node) if node is None or self._is_telling(device, node):
                    self._work_on(device)
                case _:
                    pass

    def _is_telling(self, device: DeviceRef, node: str) -> bool:
        # A device that is plugged has nothing more to tell until its directory is made anew or removed.
        return node in _TELLING[device.kind] and device not in self._outcomes

    async def _look_through(self, kind: DeviceKind) -> None:
        found = set()
        for domid in await self._store.list(f"{ROOT}/{kind}") or ():
            for devid in await self._store.list(f"{ROOT}/{kind}/{domid}") or ():
                if domid.isdecimal() and devid.isdecimal():
                    found.add(DeviceRef(kind, int(domid), int(devid)))
        gone = {device for device in self._known() if device.kind is kind} - found
        for device in (*gone, *found):
            self._work_on(device)
        await asyncio.gather(*(self._at_work[device] for device in found if device in self._at_work))

    def _known(self) -> set[DeviceRef]:
        return {*self._occupants, *self._vifs, *self._outcomes}

    # One device: never worked on twice at the same time

    def _work_on(self, device: DeviceRef) -> None:
        if device in self._at_work:
            self._again.add(device)
            return
        task = asyncio.create_task(self._attend(device), name=f"hotplug {device.path}")
        self._at_work[device] = task
        task.add_done_callback(lambda _: self._done(device))

    def _done(self, device: DeviceRef) -> None:
        del self._at_work[device]
        if device in self._again:
            self._again.discard(device)
            self._work_on(device)

    async def _attend(self, device: DeviceRef) -> None:
        try:
            names = _NODES[device.kind]
            values = await self._store.read_many([f"{device.path}/{name}" for name in names])
            nodes = {
                name: None if value is None else value.decode("utf-8", "replace")
                for name, value in zip(names, values, strict=True)
            }
            await self._act(device, nodes)
        except (XenStoreError, Unreachable, OutcomeUnknown) as error:
            # The watch fires for everything once the connection is back.
            log.warning("%s: %s", device.path, error.for_user())
        except DomusError as error:
            await self._fail(device, error)
        except Exception as error:
            log.exception("%s", device.path)
            await self._fail(device, Internal(f"{type(error).__name__} in xend", hint="xend's log has more"))

    async def _act(self, device: DeviceRef, nodes: Nodes) -> None:
        if nodes["state"] is None:
            await self.cards.forget(device)
            self._forget(device)
            return
        is_new = device not in self._vifs and device not in self._occupants
        connected = nodes["hotplug-status"] == CONNECTED
        if device.kind is DeviceKind.VIF:
            self._vifs[device] = nodes["vifname"] or vif.kernel_name(device)
            if vif.waits(nodes):
                await self._connect_vif(vif.plan(device, nodes, *await self._wanted(device)))
            elif connected and vif.is_ours(nodes) and device not in self._outcomes:
                await self._note_vif(device, nodes)
        else:
            self._occupants[device] = vbd.occupant(device, nodes)
        if is_new:
            self._tell()
            self.on_change(device.domid)
        if connected:
            self._settle(device, None)
        elif device.kind is DeviceKind.VBD and (connect := vbd.decide(device, nodes)):
            await self._connect_vbd(connect)

    async def _connect_vbd(self, connect: vbd.Connect) -> None:
        device = connect.device
        try:
            answer = vbd.answer(connect.path)
        except OSError as error:
            raise HostProblem(f"{connect.path}: {error.strerror}") from error
        if await self._answer(device, answer):
            number = vbd.parse_physical_device(answer["physical-device"])
            known = self._occupants[device]
            self._occupants[device] = vbd.Occupant(device, known.params, number, known.writable)
            self._settle(device, None)

    async def _note_vif(self, device: DeviceRef, nodes: Nodes) -> None:
        try:
            self.cards.note(vif.plan(device, nodes, *await self._wanted(device)))
        except DomusError as error:
            # It works, whatever is said of it: nothing is taken from its guest.
            log.warning("%s has no guard: %s", device.path, error.for_user())

    async def _connect_vif(self, join: vif.Join) -> None:
        await self.cards.plug(join)
        more = {}
        if join.mtu != DEFAULT_MTU:
            # The guest reads there how large its packets may be, as xen's script vif-bridge has it.
            more[f"{join.device.frontend_path}/mtu"] = str(join.mtu)
        if await self._answer(join.device, {"hotplug-status": CONNECTED}, more):
            self._settle(join.device, None)

    async def _fail(self, device: DeviceRef, error: DomusError) -> None:
        try:
            text = error.for_user()
            if await self._answer(device, {"hotplug-error": text, "hotplug-status": FAILED}):
                log.error("%s cannot be plugged: %s", device.path, text)
                self._settle(device, error)
        except DomusError as second:
            log.warning("%s: %s", device.path, second.for_user())

    async def _answer(
        self, device: DeviceRef, nodes: Mapping[str, str], more: Mapping[str, str] | None = None
    ) -> bool:
        """Write nodes of a backend; False: it is gone, and must not come back as a node of ours."""
        values = {f"{device.path}/{name}": value for name, value in nodes.items()} | dict(more or {})

        async def body(transaction: Transaction) -> bool:
            if await transaction.read(f"{device.path}/state") is None:
                return False
            # Sent at once, carried out in this order.
            await asyncio.gather(*(transaction.write(path, value) for path, value in values.items()))
            return True

        there = await self._store.transaction(body)
        if not there:
            self._forget(device)
        return there

    def _settle(self, device: DeviceRef, error: DomusError | None) -> None:
        self._outcomes[device] = error
        self._tell()

    def _forget(self, device: DeviceRef) -> None:
        self._occupants.pop(device, None)
        self._vifs.pop(device, None)
        self._outcomes.pop(device, None)
        self._tell()
        self.on_change(device.domid)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
