"""What two hosts find before a domain moves: each problem is told, not only the first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from domus.devices.vbd import Plugging, is_writable, plugging
from domus.domains import prepare
from domus.domains.migration import copying, features
from domus.domains.parts import Parts
from domus.model.config import Disk, DiskFormat, DomainConfig, GuestType
from domus.model.domain import DomainInfo
from domus.model.errors import (
    AlreadyExists,
    Conflict,
    DomusError,
    HostProblem,
    NoCapacity,
    NotFound,
    Problem,
    WrongState,
)
from domus.model.migration import INCOMING, PROTOCOL, CopiedDisk, DiskIdentity, HostFacts, Offer
from domus.storage import blobs, formats, identity, targets
from domus.storage.blobs import BlobStore
from domus.storage.targets import Target
from domus.xen.libxl.host import FEATURES_HVM, FEATURES_HVM_MAX, FEATURES_PV, FEATURES_PV_MAX

_NOT_SHARED_HINT: Final = "--copy-storage copies it; --assume-shared if both hosts have it"


class Problems:
    """The problems found so far."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """What the block raises is a problem, and no more than that."""
        try:
            yield
        except DomusError as error:
            self.found.append(error.problem())

    def add(self, error: DomusError) -> None:
        """One more."""
        self.found.append(error.problem())


# The host that sends


def facts(parts: Parts, guest_type: GuestType, port: int) -> HostFacts:
    """What the other host wants to know of this one. Worker threads."""
    version = parts.libxl.version()
    return HostFacts(
        host=os.uname().nodename,
        port=port,
        xen=(int(version["xen_version_major"]), int(version["xen_version_minor"])),
        features=_features(parts, FEATURES_PV if guest_type is GuestType.PV else FEATURES_HVM),
    )


def cannot_leave(info: DomainInfo, config: DomainConfig) -> Problems:
    """What keeps a domain on its host."""
    problems = Problems()
    if config.disable_migrate:
        problems.add(WrongState(f"the configuration of '{info.name}' forbids migration", where="nomigrate"))
    if config.pci_devices:
        devices = f"{len(config.pci_devices)} PCI device{'s' if len(config.pci_devices) > 1 else ''}"
        problems.add(
            WrongState(f"'{info.name}' has {devices} of this host", where="pci", hint="xm pci-detach first")
        )
    for place, disk in enumerate(config.disks):
        if plugging(disk, config.guest_type) is Plugging.ELSEWHERE:
            what = f"{disk.vdev} is served by driver domain {disk.backend_domain!r} of this host"
            problems.add(WrongState(what, where=f"disk[{place}]"))
    return problems


def disks_of(config: DomainConfig) -> tuple[DiskIdentity, ...]:
    """Which disks a domain has. Worker threads."""
    found = []
    for disk in config.disks:
        if has_target(disk, config.guest_type) and disk.target is not None:
            raw = disk.format is DiskFormat.RAW
            target = targets.inspect(disk.target, writable=False, raw=raw)
            known = identity.of(disk.vdev, target)
            if target.is_file:
                known = replace(known, data_bytes=Path(target.path).stat().st_blocks * 512)
            if not raw:
                below = tuple(formats.chain(target.path, disk.format))
                size = formats.virtual_bytes(target.path, disk.format)
                known = replace(known, below=below, virtual_bytes=size)
            found.append(known)
    return tuple(found)


def can_be_live(parts: Parts, guest_type: GuestType) -> bool:
    """The hypervisor can tell which pages a running guest of this kind changes. Worker threads.

    A PV guest's pages are watched by shadow paging, which many hypervisors are built without; those of
    others by whatever translates their addresses.
    """
    return guest_type is not GuestType.PV or bool(parts.libxl.physinfo().get("cap_shadow"))


# The host that receives


async def cannot_come(
    parts: Parts, store: BlobStore, offer: Offer
) -> tuple[Problems, DomainConfig, tuple[CopiedDisk, ...]]:
    """What keeps a domain from coming here; its configuration with this host's names; what is copied."""
    problems, config = Problems(), offer.config
    with problems.noted():
        _check_versions(parts, offer)
    with problems.noted():
        await _check_identity(parts, config)
    with problems.noted():
        await parts.workers.call(_check_cpus, parts, offer)
    config, known, copied = await parts.workers.call(_with_disks, problems, offer)
    absent = {disk.place for disk in copied if disk.fresh}
    written = {disk.place for disk in copied if not disk.below}
    async with parts.claims.checking() as others:
        for place, disk in known:
            if place in absent:
                continue
            if place in written:  # whatever the guest may do
                disk = replace(disk, writable=True, cdrom=False)
            with problems.noted():
                await parts.workers.call(
                    prepare.prepare_disk, disk, config.guest_type, others, f"disk[{place}]"
                )
    for place, nic in enumerate(config.nics):
        with problems.noted():
            prepare.prepare_nic(nic, f"vif[{place}]")
    for image in (config.kernel, config.ramdisk):
        if image and not image.startswith(blobs.PREFIX) and not os.path.exists(image):  # noqa: PTH110
            problems.add(NotFound(f"{image} is not on this host", hint="its next boot would need it"))
    with problems.noted():
        await parts.workers.call(_check_memory, parts, config, offer.present)
    return problems, config, copied


def missing_images(store: BlobStore, config: DomainConfig) -> tuple[str, ...]:
    """The images that this host does not have."""
    return tuple(
        image
        for image in (config.kernel, config.ramdisk)
        if image and image.startswith(blobs.PREFIX) and image.removeprefix(blobs.PREFIX) not in store
    )


def _check_versions(parts: Parts, offer: Offer) -> None:
    if offer.protocol != PROTOCOL:
        raise Conflict(
            f"{offer.sender.host} speaks migration protocol {offer.protocol}, this host {PROTOCOL}",
            hint="bring both to the same version of Domus",
        )
    version = parts.libxl.version()
    xen = (int(version["xen_version_major"]), int(version["xen_version_minor"]))
    if offer.sender.xen > xen:
        theirs, ours = (".".join(map(str, each)) for each in (offer.sender.xen, xen))
        raise Conflict(
            f"{offer.sender.host} has Xen {theirs}, this host {ours}, which reads no streams of a newer one"
        )


async def _check_identity(parts: Parts, config: DomainConfig) -> None:
    domains = await parts.list()
    for info in domains:
        if info.uuid == config.uuid and info.domid is not None:
            raise AlreadyExists(f"this host has this very domain: '{info.name}' with ID '{info.domid}'")
        if info.uuid != config.uuid and info.name in (config.name, config.name + INCOMING):
            raise AlreadyExists(f"VM name '{info.name}' already exists")
    prepare.check_waiting(config, parts.kept.waiting())


def _check_cpus(parts: Parts, offer: Offer) -> None:
    guest_type = offer.config.guest_type
    if guest_type is not GuestType.PV and not parts.libxl.physinfo().get("cap_hvm"):
        raise HostProblem(f"this host's CPUs, or its BIOS, have no {guest_type.upper()} guests")
    ours = _features(parts, FEATURES_PV_MAX if guest_type is GuestType.PV else FEATURES_HVM_MAX)
    lacking = features.missing(features.seen(offer.sender.features, offer.config), ours)
    if lacking and ours:
        policy = features.levelled(lacking)
        raise Conflict(
            f"the CPUs of this host lack what the guest may use: {', '.join(lacking)}",
            where="cpuid",
            hint=f"started with cpuid = {policy!r} it can go on on either host" if policy else "",
        )


def _with_disks(
    problems: Problems, offer: Offer
) -> tuple[DomainConfig, list[tuple[int, Disk]], tuple[CopiedDisk, ...]]:
    """The configuration with this host's names for its disks; those that are or will be here, with their
    places; and what is to be copied.
    """
    known = {each.vdev: each for each in offer.disks}
    found, copied = [], list[CopiedDisk]()
    for place, disk in enumerate(offer.config.disks):
        wanted = known.get(disk.vdev)
        with problems.noted():
            if wanted is not None and not offer.assume_shared:
                target = identity.find(wanted, writable=is_writable(disk)) if wanted.marks else None
                if target is None and offer.copying is not None:
                    copied.append(copying.place_for(place, disk, wanted, offer.copying))
                    copied += copying.bases(place, disk.vdev, wanted)
                else:
                    disk = replace(disk, target=_same_here(wanted, disk, target, f"disk[{place}]"))
            found.append((place, disk))
    disks = dict(enumerate(offer.config.disks)) | dict(found)
    return replace(offer.config, disks=tuple(disks.values())), found, tuple(copied)


def _same_here(wanted: DiskIdentity, disk: Disk, target: Target | None, where: str) -> str:
    """This host's name for a disk, which was found as `target`."""
    if wanted.local:
        raise Conflict(f"{disk.vdev} is not shared: {wanted.local}", where=where, hint=_NOT_SHARED_HINT)
    if target is None:
        what = f"{disk.vdev} is not on this host: {' / '.join(wanted.marks)}"
        raise NotFound(what, where=where, hint=_NOT_SHARED_HINT)
    if target.size_bytes != wanted.size_bytes:
        raise Conflict(
            f"{disk.vdev} has {wanted.size_bytes} bytes over there, {target.size_bytes} here", where=where
        )
    return wanted.target if target.asked == wanted.target else target.asked


def has_target(disk: Disk, guest_type: GuestType) -> bool:
    """It is a file or a device of the host."""
    return disk.target is not None and plugging(disk, guest_type) in (Plugging.LOOP, Plugging.QEMU)


def _check_memory(parts: Parts, config: DomainConfig, present: dict[str, Any]) -> None:
    from domus.config.compile import to_libxl  # heavy: only who builds needs it

    document: dict[str, Any] = to_libxl(config, hotplug_script="/bin/true", host_nodes=())
    document["b_info"].update(present)
    need, obtainable = parts.libxl.need_memory_kib(document), parts.ballooning.obtainable_kib()
    if need > obtainable:
        raise NoCapacity(f"it needs {-(-need // 1024)} MiB, {obtainable // 1024} MiB can be had")


def _features(parts: Parts, which: int) -> tuple[int, ...]:
    try:
        return parts.libxl.cpu_features(which)
    except HostProblem:
        return ()  # an older Xen: it refuses the stream itself when the CPUs do not fit
