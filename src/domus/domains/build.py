"""Building domains and taking them away: the steps of the operations, each with its undo."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from domus.devices.backends import NO_SCRIPT, DeviceKind, DeviceRef
from domus.devices.hotplug import Hotplug
from domus.devices.vbd import is_writable
from domus.domains import prepare
from domus.domains.ballooning import Ballooning
from domus.domains.claims import DiskClaims
from domus.domains.display import hide_passwords, socket_of, with_sockets
from domus.domains.journal import DestroyDomain, ForgetConfig, UndoRecord
from domus.domains.kept import Kept, KeptDomains
from domus.domains.listing import Listing
from domus.domains.operations import OperationHandle
from domus.domains.prepare import Prepared
from domus.domains.topology import host_topology
from domus.domains.worker import Workers
from domus.model.config import Disk, DomainConfig, GuestType
from domus.model.errors import BadInput, DomainNotFound, HostProblem, LibxlError
from domus.model.names import DOM0
from domus.network import bridges
from domus.storage import loop
from domus.storage.blobs import BlobStore
from domus.xen.libxl import Libxl
from domus.xen.xenstore import XenStore
from domus.xen.xenstore.nodes import printable

log = logging.getLogger(__name__)

Handle = OperationHandle[UndoRecord]

#: makes a domain in Xen from libxl's document; returns its domid
Make = Callable[[dict[str, Any]], Awaitable[int]]

#: where libxl has QEMU write what it says (libxl_internal.c, libxl__create_qemu_logfile)
QEMU_LOGS: Final = Path("/var/log/xen")

#: Seconds for all devices of a domain; libxl gives each 10 s to its backend before.
_PLUGGED_WITHIN: Final = 30.0
#: Seconds for what a destroyed domain leaves to go away: backends, loop devices.
_GONE_WITHIN: Final = 10.0
_LOOK_EVERY: Final = 0.01


class Builder:
    """Makes domains, and takes them away. For the event loop."""

    def __init__(
        self,
        store: XenStore,
        libxl: Libxl,
        workers: Workers,
        hotplug: Hotplug,
        blobs: BlobStore,
        kept: KeptDomains,
        listing: Listing,
        claims: DiskClaims,
        ballooning: Ballooning,
        *,
        resolve: Callable[[DomainConfig], Awaitable[DomainConfig]],
    ) -> None:
        self._store = store
        self._resolve = resolve  #: names of networks become bridges and addresses
        self._libxl = libxl
        self._workers = workers
        self._hotplug = hotplug
        self._blobs = blobs
        self._kept = kept
        self._listing = listing
        self._claims = claims
        self._ballooning = ballooning
        self._physinfo: dict[str, Any] | None = None

    async def create(
        self,
        operation: Handle,
        config: DomainConfig,
        *,
        paused: bool,
        make: Make | None = None,
        moving: bool = False,
    ) -> None:
        """Build a domain, and let it run unless `paused`; `config` has its uuid and MACs.

        Args:
            make: makes the domain in Xen, paused, from libxl's document; None: from its kernel.
            moving: another host has its image files, and their locks, until it is here.

        The operation's result is its domid. Afterwards its configuration is kept.
        """
        kept = Kept(config=config)
        async with operation.step("checking"):
            prepared = await self._prepared(config)
        try:
            undo = (ForgetConfig(kept.uuid), DestroyDomain(kept.uuid))
            domid = await self._build(operation, kept, prepared, undo, make, moving=moving)
            if not paused:
                await self._start(operation, config, domid)
        finally:
            self._claims.drop(kept.uuid)

    async def build_again(self, operation: Handle, kept: Kept) -> None:
        """Build a domain anew that ended itself; what is left of its last boot goes first.

        Unlike `create`, a xend that is killed meanwhile tries it again on its next start.
        """
        async with operation.step("checking"):
            await self.take_away(kept.uuid)
            prepared = await self._prepared(kept.config)
        try:
            domid = await self._build(operation, kept, prepared, (DestroyDomain(kept.uuid),))
            await self._start(operation, kept.config, domid)
        finally:
            self._claims.drop(kept.uuid)

    async def take_away(self, uuid: str, domid: int | None = None) -> None:
        """Destroy the domains of this uuid, or only that boot of it; harmless when there is none.

        On return their devices are gone too: backends, bridge ports, loop devices.
        """
        for found in await self._workers.call(self._libxl.list_domains):
            if found["uuid"] == uuid and found["domid"] != DOM0 and domid in (None, found["domid"]):
                await self._destroy(found["domid"])

    async def pause(self, domid: int) -> None:
        """Stop a domain's VCPUs; fine if they stand: Xen counts, and one `unpause` shall do.

        Raises:
            DomainNotFound: it is gone.
        """
        found = await self._workers.call(self._libxl.domain_info, domid)
        if found is None or not found["paused"]:
            await self._workers.call(self._libxl.pause, domid)

    async def unpause(self, uuid: str, domid: int) -> None:
        """Let a boot of a domain run; harmless when it does, or is gone."""
        found = await self._workers.call(self._libxl.domain_info, domid)
        if found is not None and found["uuid"] == uuid and found["paused"]:  # Xen refuses what runs
            await self._workers.call(self._libxl.unpause, domid)

    async def rename(self, domid: int, name: str) -> None:
        """Give a domain another name."""
        await self._workers.call(self._libxl.rename, domid, name)

    async def _destroy(self, domid: int) -> None:
        async def destroy() -> None:
            try:
                await self._workers.call(self._libxl.destroy, domid)
            except DomainNotFound:
                log.info("domain %d is gone already", domid)

        await self.without_devices(domid, destroy)

    async def without_devices(self, domid: int, remove: Callable[[], Awaitable[None]]) -> None:
        """Have a domain's devices removed, and wait until they are gone: backends, ports, loop devices."""
        disks = {each.params for each in self._hotplug.occupants() if each.device.domid == domid}
        loops = {disk: file for disk in disks if (file := loop.backing_file(disk)) is not None}
        vifs = self._hotplug.vif_names(domid)
        display = await socket_of(self._store, domid)
        await remove()

        def is_left() -> bool:
            held = (loop.backing_file(device) == file for device, file in loops.items())
            return any(held) or any(bridges.has_device(name) for name in vifs)

        try:
            async with asyncio.timeout(_GONE_WITHIN):
                await self._hotplug.wait_gone(domid)
                # The kernel takes the devices themselves away a moment after their nodes.
                while is_left():
                    await asyncio.sleep(_LOOK_EVERY)
        except TimeoutError:
            log.error("some devices of domain %d are not gone", domid)
        if display is not None:
            display.unlink(missing_ok=True)

    # Steps

    async def _prepared(self, config: DomainConfig) -> Prepared:
        """Check everything, and claim the disks."""
        async with self._claims.checking() as others:
            prepare.check_identity(config, await self._listing.list())
            await self._check_guest_type(config.guest_type)
            config = await self._resolve(config)
            prepared = await self._workers.call(prepare.prepare, config, self._blobs, others)
            self._claims.hold(config.uuid or "", config.name, prepared.claims)
        return prepared

    async def _check_guest_type(self, guest_type: GuestType) -> None:
        if self._physinfo is None:
            self._physinfo = await self._workers.call(self._libxl.physinfo)
        if guest_type is not GuestType.PV and not self._physinfo.get("cap_hvm"):
            raise HostProblem(
                f"{guest_type.upper()} guest support is unavailable: is VT/AMD-V supported by your CPU and "
                "enabled in your BIOS?"
            )

    async def _build(
        self,
        operation: Handle,
        kept: Kept,
        prepared: Prepared,
        undo: tuple[UndoRecord, ...],
        make: Make | None = None,
        *,
        moving: bool = False,
    ) -> int:
        with ExitStack() as held:
            loops = {}
            for place, image in prepared.images().items():
                async with operation.step(f"attaching {image.path}"):
                    disk = prepared.config.disks[place]
                    disk = replace(disk, shared=disk.shared or moving)
                    loops[place] = await self._workers.call(attach_loop, held, image.path, disk)
            connected = prepared.connected(loops)
            if make is None and connected.bootloader is not None:
                connected = await self._booted(operation, connected)
            elif connected.bootloader is not None:  # it has its memory: nothing is booted
                connected = replace(connected, bootloader=None, bootloader_args=(), kernel=None, ramdisk=None)
            document, need_kib = await self._workers.call(self._document, with_sockets(connected))
            async with (
                self._ballooning.room(operation, kept.uuid, kept.config.name, need_kib),
                operation.step("building" if make is None else "restoring its memory", undo=undo),
            ):
                await self._kept.put(kept)
                domid = await (make or self._made)(document)
                await hide_passwords(self._store, domid, kept.uuid)
            operation.result(domid=domid)
            async with operation.step("connecting its devices"):
                await self._hotplug.wait_plugged(
                    domid, vbds=prepared.vbds(), vifs=prepared.vifs(), within=_PLUGGED_WITHIN
                )
                for devid in prepared.qemu_vbds():
                    await self._hotplug.wait_offered(
                        DeviceRef(DeviceKind.QDISK, domid, devid), within=_PLUGGED_WITHIN
                    )
            # blkback has the loop devices open now: they last as long as it does.
        await self._kept.put(replace(kept, domid=domid, started=time.time(), restart_due=None))
        return domid

    async def _booted(self, operation: Handle, config: DomainConfig) -> DomainConfig:
        """`config` with the kernel that its bootloader finds on its first disk."""
        from domus.domains import bootloaders

        disk = config.disks[0]
        if disk.backend != "phy" or disk.target is None:
            raise BadInput(
                f"a bootloader reads raw disks only, and {disk.vdev} is not one",
                where="bootloader",
                hint="bootloader = 'pvgrub' reads any disk, inside the guest",
            )
        async with operation.step(f"asking {config.bootloader} for a kernel"):
            return await bootloaders.ask(config, disk.target, self._blobs, self._workers)

    async def _made(self, document: dict[str, Any]) -> int:
        begun = time.time()
        try:
            return await self._workers.call(self._libxl.create, document)
        except LibxlError as error:
            # libxl knows no more than that QEMU has gone; why is in QEMU's own log.
            said = await self._workers.call(_last_words, document["c_info"]["name"], begun)
            raise LibxlError(error.what, hint=f"QEMU said: {said}") if said else error from error

    def _document(self, config: DomainConfig) -> tuple[dict[str, Any], int]:
        """libxl's document for a domain, and the KiB that it takes."""
        from domus.config.compile import to_libxl  # heavy: only who creates needs it

        nodes = host_topology(self._libxl).cpus_by_node() if config.cpus or config.cpus_soft else ()
        document: dict[str, Any] = to_libxl(config, hotplug_script=NO_SCRIPT, host_nodes=nodes)
        return document, self._libxl.need_memory_kib(document)

    async def _start(self, operation: Handle, config: DomainConfig, domid: int) -> None:
        async with operation.step("starting"):
            try:
                await self._workers.call(self._libxl.unpause, domid)
            except HostProblem as error:
                raise HostProblem(f"Failed to unpause domain {config.name}", hint=error.what) from error


def _last_words(name: str, since: float) -> str:
    """The last line that the device model of a domain has said since then; "" if it said nothing."""
    log_file = QEMU_LOGS / f"qemu-dm-{name}.log"
    try:
        if log_file.stat().st_mtime < since:
            return ""
        lines = log_file.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return printable(lines[-1].encode())[:300] if lines else ""


def attach_loop(held: ExitStack, path: str, disk: Disk) -> str:
    """Attach a loop device and hold it, in one call: cancelled in its middle, nothing is held by nobody."""
    device = loop.attach(path, read_only=not is_writable(disk), shared=disk.shared)
    return held.enter_context(device).path
