"""What was done to a running domain, as data: what it makes of the domain's configuration.

It can be written down in the journal, and applied again without harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from domus.config import vdev
from domus.devices import vif
from domus.model.config import Disk, DomainConfig, Nic, Scheduling

CpuSets = tuple[tuple[int, ...] | None, ...]


class PinChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CPUs of VCPUs; () is any CPU, None is as it was."""

    vcpu: int | None = None  #: None: all of them
    hard: tuple[int, ...] | None = None
    soft: tuple[int, ...] | None = None


class ConfigChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change; what is None stays."""

    memory_mib: int | None = None
    maxmem_mib: int | None = None
    vcpus: int | None = None
    pin: PinChange | None = None
    scheduling: Scheduling | None = None  #: the parameters that are not None
    disk: Disk | None = None  #: attached, or in the place of the one of its name
    without_disk: int | None = None  #: the number of one that was detached
    nic: Nic | None = None  #: attached; it has a number, and what had that before is gone
    without_nic: int | None = None
    firewall: tuple[str, ...] | None = None

    def apply(self, config: DomainConfig) -> DomainConfig:
        """`config` with it: always one that can be built, whatever else was changed there meanwhile."""
        if self.memory_mib is not None or self.maxmem_mib is not None:
            config = _with_memory(config, self.memory_mib, self.maxmem_mib)
        if self.vcpus is not None:
            most = max(self.vcpus, config.maxvcpus or config.vcpus)
            config = replace(config, vcpus=self.vcpus, maxvcpus=most, avail_vcpus=())
        if self.pin is not None:
            config = _pinned(config, self.pin)
        if self.scheduling is not None:
            config = _scheduled(config, self.scheduling)
        if self.disk is not None:
            config = _with_disk(config, self.disk)
        if self.without_disk is not None:
            config = _without_disk(config, self.without_disk)
        if self.nic is not None:
            config = _with_nic(config, self.nic)
        if self.without_nic is not None:
            config = _without_nic(config, self.without_nic)
        if self.firewall is not None:
            config = replace(config, firewall=self.firewall)
        return config


def _with_memory(config: DomainConfig, memory_mib: int | None, maxmem_mib: int | None) -> DomainConfig:
    memory = config.memory_mib if memory_mib is None else memory_mib
    # What is not said is what it was, also where it was left to be as large as the memory.
    most = config.maxmem_mib or config.memory_mib if maxmem_mib is None else maxmem_mib
    if memory_mib is None:
        memory = min(memory, most)
    return replace(config, memory_mib=memory, maxmem_mib=max(memory, most))


def _pinned(config: DomainConfig, pin: PinChange) -> DomainConfig:
    most = config.maxvcpus or config.vcpus
    if pin.vcpu is not None and pin.vcpu >= most:
        return config
    if pin.hard is not None:
        sets, texts = _placed(config.cpus, config.cpus_expressions, most, pin.vcpu, pin.hard)
        config = replace(config, cpus=sets, cpus_expressions=texts)
    if pin.soft is not None:
        sets, texts = _placed(config.cpus_soft, config.cpus_soft_expressions, most, pin.vcpu, pin.soft)
        config = replace(config, cpus_soft=sets, cpus_soft_expressions=texts)
    is_bound = any((config.cpus, config.cpus_expressions, config.cpus_soft, config.cpus_soft_expressions))
    if is_bound and config.numa_placement is None:
        return replace(config, numa_placement=False)  # as files that say where it runs have it
    if not is_bound and not config.vnuma and config.numa_placement is False:
        return replace(config, numa_placement=None)
    return config


def _placed(
    sets: CpuSets, expressions: Sequence[str], most: int, vcpu: int | None, cpus: tuple[int, ...]
) -> tuple[CpuSets, tuple[str, ...]]:
    """Sets and expressions of `most` VCPUs, with one VCPU, or all of them, on `cpus`."""
    if vcpu is None:
        return ((cpus,) * most if cpus else ()), ()
    if expressions:  # the others go on depending on the host
        texts = list(expressions) * most if len(expressions) == 1 else [*expressions, *["all"] * most][:most]
        texts[vcpu] = ",".join(map(str, cpus)) or "all"
        return (), tuple(texts)
    places = [*sets, *[None] * most][:most]
    places[vcpu] = cpus or None
    return (tuple(places) if any(places) else ()), ()


def _scheduled(config: DomainConfig, wanted: Scheduling) -> DomainConfig:
    given = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    given = {name: value for name, value in given.items() if value is not None}
    return replace(config, scheduling=replace(config.scheduling or Scheduling(), **given))


def _with_disk(config: DomainConfig, disk: Disk) -> DomainConfig:
    number = vdev.number(disk.vdev)
    places = [vdev.number(each.vdev) for each in config.disks]
    if number not in places:
        return replace(config, disks=(*config.disks, disk))
    at = places.index(number)
    return replace(config, disks=(*config.disks[:at], disk, *config.disks[at + 1 :]))


def _without_disk(config: DomainConfig, number: int) -> DomainConfig:
    return replace(config, disks=tuple(disk for disk in config.disks if vdev.number(disk.vdev) != number))


def _with_nic(config: DomainConfig, nic: Nic) -> DomainConfig:
    others = config if nic.devid is None else _without_nic(config, nic.devid)
    return replace(config, nics=(*others.nics, nic))


def _without_nic(config: DomainConfig, devid: int) -> DomainConfig:
    """Without the card of this number; the others keep theirs."""
    left = [
        (number, nic)
        for number, nic in zip(vif.devids(config.nics), config.nics, strict=True)
        if number != devid
    ]
    nics = tuple(
        nic if nic.devid is not None or number == place else replace(nic, devid=number)
        for place, (number, nic) in enumerate(left)
    )
    return replace(config, nics=nics)
