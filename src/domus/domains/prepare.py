"""Everything that can be said against a domain before anything of it exists, and what its parts really are.

Looks at files, devices and bridges of this host; changes nothing.
"""

from __future__ import annotations

import os
import secrets
import stat
import uuid as uuids
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from domus.config import vdev
from domus.devices import old_scripts, vif
from domus.devices.backends import NO_SCRIPT
from domus.devices.vbd import Claim, Plugging, check_claim, is_writable, plugging
from domus.devices.vif import Mode
from domus.domains import bootloaders
from domus.domains.kept import Kept
from domus.model.config import Disk, DiskFormat, DomainConfig, GuestType, Nic
from domus.model.domain import DomainInfo
from domus.model.errors import AlreadyExists, BadInput, Conflict, Forbidden, InUse, NotFound
from domus.model.names import check_domain_name, check_uuid
from domus.network import bridges, guards, vlans
from domus.storage import blobs, dom0_use, formats, targets
from domus.storage.blobs import BlobStore
from domus.xen.libxl.abi import running_version

#: where Xen's tools look for hotplug scripts (libxl_xen_script_dir_path)
SCRIPTS: Final = Path("/etc/xen/scripts")

#: the Xen whose libxl is known to write a card's VLAN where xend finds it; that of 4.17 does not (measured)
_VLANS_SINCE: Final = (4, 20)

DOM0_NAMES: Final = (None, "0", "Domain-0")


@dataclass(frozen=True)
class Prepared:
    """A domain that can be built."""

    #: with kernels, bridges and sizes of packets as they are on this host. Disks that are image files
    #: still need their loop device: see `connected`.
    config: DomainConfig
    disks: tuple[targets.Target | None, ...]  #: beside config.disks; None: not a target of this host's
    claims: tuple[Claim, ...]  #: the disks that it will occupy

    def images(self) -> dict[int, targets.Target]:
        """The image files that need a loop device, by place in config.disks."""
        return {
            place: target
            for place, (disk, target) in enumerate(zip(self.config.disks, self.disks, strict=True))
            if target is not None and target.is_file and self._is_ours(disk)
        }

    def vbds(self) -> list[int]:
        """The numbers of the vbds that xend plugs."""
        return [vdev.number(disk.vdev) for disk in self.config.disks if self._is_ours(disk)]

    def qemu_vbds(self) -> list[int]:
        """The numbers of the vbds that QEMU serves to a guest without emulated disks."""
        guest_type = self.config.guest_type
        if guest_type is GuestType.HVM:  # its firmware has them first
            return []
        return [
            vdev.number(disk.vdev)
            for disk in self.config.disks
            if plugging(disk, guest_type) is Plugging.QEMU and not disk.cdrom
        ]

    def vifs(self) -> list[int]:
        """The numbers of the vifs that xend plugs."""
        nics = self.config.nics
        return [devid for devid, nic in zip(vif.devids(nics), nics, strict=True) if nic.script == NO_SCRIPT]

    def connected(self, loops: dict[int, str]) -> DomainConfig:
        """The configuration to build from.

        Args:
            loops: loop devices of `images`.
        """
        guest_type = self.config.guest_type
        disks = tuple(
            connected_disk(disk, guest_type, target, loops.get(place))
            for place, (disk, target) in enumerate(zip(self.config.disks, self.disks, strict=True))
        )
        return replace(self.config, disks=disks)

    def _is_ours(self, disk: Disk) -> bool:
        return is_plugged_by_xend(disk, self.config.guest_type)


def is_plugged_by_xend(disk: Disk, guest_type: GuestType) -> bool:
    """Xend answers this disk's backend."""
    return plugging(disk, guest_type) is Plugging.LOOP


def connected_disk(
    disk: Disk, guest_type: GuestType, target: targets.Target | None, loop_device: str | None
) -> Disk:
    """A disk as libxl is told of it. May write a file: worker threads.

    Args:
        target: what it really is; None: not a target of this host's.
        loop_device: of a disk that is an image file, and that xend plugs.
    """
    if target is None:
        return disk if disk.script is None else replace(disk, script=old_scripts.with_arguments(disk.script))
    if is_plugged_by_xend(disk, guest_type):
        return replace(disk, target=loop_device or target.path, backend="phy", script=NO_SCRIPT)
    return replace(disk, target=target.path)


def chosen(config: DomainConfig) -> DomainConfig:
    """`config` with its uuid and MAC addresses: chosen once, and kept for all its later starts.

    Raises:
        BadInput: its name or uuid is none.
    """
    check_domain_name(config.name)
    uuid = str(uuids.uuid4()) if config.uuid is None else check_uuid(config.uuid)
    return replace(config, uuid=uuid, nics=tuple(with_mac(nic) for nic in config.nics))


def with_mac(nic: Nic) -> Nic:
    """A card with the MAC address that it keeps from now on."""
    return nic if nic.mac else replace(nic, mac=vif.choose_mac(secrets.token_bytes(3)))


def with_macs_of(config: DomainConfig, known: DomainConfig) -> DomainConfig:
    """`config`, where a card without a MAC has that of its place in `known`, unless another one has it."""
    macs = {place: nic.mac for place, nic in enumerate(known.nics)}
    given = {nic.mac for nic in config.nics}
    nics = (
        nic if nic.mac or macs.get(place) in given else replace(nic, mac=macs.get(place))
        for place, nic in enumerate(config.nics)
    )
    return replace(config, nics=tuple(nics))


def check_identity(config: DomainConfig, running: Iterable[DomainInfo]) -> None:
    """Refuse a name or uuid that a running domain has.

    Raises:
        AlreadyExists: in xm's words.
    """
    for info in running:
        if config.name == info.name or config.uuid == info.uuid:
            raise AlreadyExists(f"Domain '{info.name}' already exists with ID '{info.domid}'")


def check_waiting(config: DomainConfig, waiting: Iterable[Kept]) -> None:
    """Refuse a name or uuid that a domain has which waits to be restarted.

    Raises:
        AlreadyExists: in xm's words.
    """
    for kept in waiting:
        if config.name == kept.config.name or config.uuid == kept.uuid:
            raise AlreadyExists(
                f"VM name '{kept.config.name}' already exists", hint="it waits to be restarted"
            )


def prepare(config: DomainConfig, store: BlobStore, others: Iterable[Claim]) -> Prepared:
    """Look at everything that `config` names on this host.

    Args:
        config: as `chosen` returned it.
        others: who uses disks now, or is about to.

    Raises:
        DomusError: the first thing that is not as it must be.

    Where it runs:
        Reads files and sysfs, and may unpack a kernel: worker threads.
    """
    if config.device_model is not None and config.device_model.stubdomain:
        raise BadInput(
            "a device model in a stub domain is not supported",
            where="device_model_stubdomain_override",
            hint="without it QEMU runs in domain 0; device_model_user takes its privileges away",
        )
    nics = tuple(prepare_nic(nic, f"vif[{place}]") for place, nic in enumerate(config.nics))
    found: list[targets.Target | None] = []
    claims = list(others)
    number_of_others = len(claims)
    for place, disk in enumerate(config.disks):
        target, wanted = prepare_disk(disk, config.guest_type, claims, f"disk[{place}]")
        found.append(target)
        claims += wanted
    images = _with_images(config, store)
    return Prepared(replace(images, nics=nics), tuple(found), tuple(claims[number_of_others:]))


def prepare_disk(
    disk: Disk, guest_type: GuestType, others: Iterable[Claim], where: str
) -> tuple[targets.Target | None, list[Claim]]:
    """Look at one disk: what it really is, and what it claims: itself first, then what it stands on.

    None and nothing when it is not a target of this host's.

    Raises, and runs, as `prepare`.
    """
    vdev.number(disk.vdev)
    how = plugging(disk, guest_type)
    if how is Plugging.SCRIPT and disk.script is not None:
        _check_script(disk.script)
    if how not in (Plugging.LOOP, Plugging.QEMU) or disk.target is None:
        return None, []
    raw = disk.format is DiskFormat.RAW
    target = targets.inspect(disk.target, writable=is_writable(disk), raw=raw, where=where)
    claims = [Claim.of_target(where, target, disk)]
    if not raw:
        below = formats.examine(target.path, disk.format, where)
        claims += [Claim.of_backing(where, path) for path in below]
    others = list(others)
    for claim in claims:
        check_claim(claim, others)
    _check_dom0(claims[0], target)
    return target, claims


def _check_script(name: str) -> None:
    path = SCRIPTS / name  # an absolute name stands by itself
    if not os.access(path, os.X_OK):
        kind = path.name.removeprefix("block-")
        raise BadInput(f'Block device type "{kind}" is invalid.', hint=f"this host has no executable {path}")
    real = Path(os.path.realpath(path))
    facts = real.stat()
    # It runs as root: nobody else may have written it.
    if facts.st_uid != 0 or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Forbidden(
            f"the script {real} can be written by others than root",
            hint=f"chown root {real}; chmod 755 {real}",
        )


def _check_dom0(claim: Claim, target: targets.Target) -> None:
    if claim.shared:
        return
    use = dom0_use.of_target(target)
    if use is not None and (claim.writable or not use.read_only):
        raise InUse(
            f"{claim.path} is {use.text} in dom0",
            where=claim.who,
            hint="unmount it there first" if "mounted" in use.text else "",
        )


def prepare_nic(nic: Nic, where: str) -> Nic:
    """A card with its bridge and the size of its packets, as they are on this host.

    Raises:
        NotFound: there is no such bridge, device or network.
        Conflict: the name of its device is taken.
        BadInput: its script, or an address, is none.
    """
    how = vif.mode(nic.script)
    if nic.backend_domain not in DOM0_NAMES or how is None:
        _check_unguarded(nic, where)
    if nic.backend_domain not in DOM0_NAMES:
        return nic
    if how is None:
        return replace(nic, script=own_script(nic.script or "", where))
    if nic.network is not None:
        raise NotFound(f"this host has no network {nic.network!r}", where=where, hint="name a bridge instead")
    if nic.vifname is not None and bridges.has_device(bridges.check_device_name(nic.vifname)):
        raise Conflict(f"a network device {nic.vifname!r} exists already", where=where)
    guards.known(nic.ips)
    match how:
        case Mode.BRIDGE:
            ready = _bridged(nic, where)
        case Mode.SWITCH:
            ready = _switched(nic, where)
        case Mode.ROUTE | Mode.NAT:
            ready = _routed(nic, how, where)
    return replace(ready, script=NO_SCRIPT)


def _check_unguarded(nic: Nic, where: str) -> None:
    """What xend does not plug in it cannot guard: who asks for that is not to believe that it does."""
    asked = [name for name, said in (("antispoof", nic.antispoof), ("isolated", nic.isolated)) if said]
    if asked:
        whose = "its own script" if nic.backend_domain in DOM0_NAMES else f"domain {nic.backend_domain}"
        raise BadInput(
            f"{asked[0]}=yes cannot be kept: {whose} plugs this card in, and xend has no guard before it",
            where=where,
            hint="script=vif-bridge, vif-route, vif-nat and vif-openvswitch are guarded",
        )


def _bridged(nic: Nic, where: str) -> Nic:
    nic = _with_vlan(nic)
    bridge = bridges.default() if nic.bridge is None else bridges.require(nic.bridge, where=where)
    if bridge is None:
        raise NotFound("this host has no bridge", where=where, hint="ip link add xenbr0 type bridge")
    if nic.vlan is not None:
        vlans.parse(nic.vlan)
        _check_xen_has_vlans(where)
        if not bridges.filters_vlans(bridge):
            hint = f"ip link set {bridge} type bridge vlan_filtering 1"
            raise BadInput(f"bridge {bridge!r} does not tell VLANs apart", where=where, hint=hint)
    # A guest that sends larger packets than its bridge takes would lose them without a word.
    size = bridges.mtu(bridge) if nic.mtu is None else nic.mtu
    return replace(nic, bridge=bridge, mtu=None if size == bridges.DEFAULT_MTU else size)


def _check_xen_has_vlans(where: str) -> None:
    """An older libxl forgets the VLAN without a word: the card would be in the bridge's own."""
    running = running_version()
    if running is not None and tuple(map(int, running.split("."))) < _VLANS_SINCE:
        since = ".".join(map(str, _VLANS_SINCE))
        raise BadInput(
            f"a card's VLAN takes Xen {since}: this host's libxl ({running}) loses it",
            where=where,
            hint="a bridge over a VLAN device of its own, or Open vSwitch",
        )


def _with_vlan(nic: Nic) -> Nic:
    """`bridge=xenbr0.10` is VLAN 10 of xenbr0, unless there is a bridge of that name."""
    name, _, number = (nic.bridge or "").rpartition(".")
    if (
        nic.vlan is None
        and number.isdecimal()
        and bridges.exists(name)
        and not bridges.exists(nic.bridge or "")
    ):
        return replace(nic, bridge=name, vlan=number)
    return nic


def _switched(nic: Nic, where: str) -> Nic:
    if not nic.bridge:
        raise BadInput("a card of Open vSwitch names its bridge", where=where, hint="bridge=ovs0.10")
    if nic.isolated or nic.vlan is not None:
        hint = "VLANs keep guests apart there: bridge=ovs0.10:20"
        raise BadInput("isolated= and vlan= are for cards in a Linux bridge", where=where, hint=hint)
    vlans.of_switch(nic.bridge)
    return nic


def _routed(nic: Nic, how: Mode, where: str) -> Nic:
    if how is Mode.ROUTE and not nic.ips:
        raise BadInput("a routed card needs its address", where=where, hint="ip=192.0.2.5")
    if nic.isolated:
        raise BadInput("isolated=yes is for cards in a bridge", where=where)
    if nic.gateway_device is not None and not bridges.has_device(
        bridges.check_device_name(nic.gateway_device)
    ):
        raise NotFound(f"gatewaydev: this host has no device {nic.gateway_device!r}", where=where)
    # libxl would note the bridge of its own choice.
    return replace(nic, bridge=nic.bridge or "")


def own_script(name: str, where: str) -> str:
    """The path of a user's own hotplug script, which libxl runs as root.

    Raises:
        NotFound: it is not there.
        Forbidden: others than root could have written it.
        BadInput: it cannot be executed.
    """
    path = SCRIPTS / name  # an absolute name stands by itself
    try:
        facts = path.stat()
    except OSError as error:
        raise NotFound(f"script {str(path)!r}: {error.strerror}", where=where) from None
    if not stat.S_ISREG(facts.st_mode) or not os.access(path, os.X_OK):
        raise BadInput(f"script {str(path)!r} cannot be executed", where=where, hint=f"chmod 755 {path}")
    if facts.st_uid != 0 or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Forbidden(
            f"script {str(path)!r} would be run as root, and others can write it",
            where=where,
            hint=f"chown root {path}; chmod go-w {path}",
        )
    return str(path)


def _with_images(config: DomainConfig, store: BlobStore) -> DomainConfig:
    """`config` with kernel and ramdisk as files of this host, the kernel unpacked where Xen would do that."""
    config = bootloaders.check(config)
    kernel, ramdisk = config.kernel, config.ramdisk
    if config.bootloader is not None and config.guest_type is not GuestType.HVM:
        return config  # the names of files on the guest's disk
    if kernel is None:
        pass
    elif config.guest_type is GuestType.HVM:
        kernel = str(_image(kernel, store, "Kernel image"))  # QEMU starts it, and wants it as it is
    elif kernel.startswith(blobs.PREFIX):
        kernel = str(store.kernel(kernel.removeprefix(blobs.PREFIX)))
    else:
        kernel = str(store.kernel_at(_image(kernel, store, "Kernel image")))
    if ramdisk is not None:
        ramdisk = str(_image(ramdisk, store, "Kernel ramdisk"))
    return replace(config, kernel=kernel, ramdisk=ramdisk)


def _image(name: str, store: BlobStore, what: str) -> Path:
    if name.startswith(blobs.PREFIX):
        return store.get(name.removeprefix(blobs.PREFIX))
    path = Path(name)
    if not path.is_absolute():
        raise BadInput(f"{what} {name!r} is not an absolute path")
    try:
        facts = path.stat()
    except OSError as error:
        raise NotFound(
            f"{what} does not exist: {name}", hint="" if error.errno == 2 else str(error.strerror)
        ) from None
    if not stat.S_ISREG(facts.st_mode) or not facts.st_size:
        raise BadInput(f"{what} {name} is {'empty' if stat.S_ISREG(facts.st_mode) else 'no file'}")
    return path
