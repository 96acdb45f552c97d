"""The host's CPUs, NUMA nodes and devices, and where they are."""

from __future__ import annotations

import msgspec


class HostCpu(msgspec.Struct, frozen=True, kw_only=True):
    """One CPU of the host."""

    cpu: int
    core: int
    socket: int
    node: int


class HostNode(msgspec.Struct, frozen=True, kw_only=True):
    """One NUMA node. Memory in MiB."""

    node: int
    memory_mib: int
    free_mib: int
    distances: tuple[int, ...]  #: to each node, itself included; 10 is no distance


class HostDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI device whose node Xen knows."""

    address: str  #: such as "0000:03:00.0"
    node: int


class HostTopology(msgspec.Struct, frozen=True, kw_only=True):
    """What `xm info -n` adds."""

    cpus: tuple[HostCpu, ...]
    nodes: tuple[HostNode, ...]
    devices: tuple[HostDevice, ...] = ()

    def cpus_by_node(self) -> list[list[int]]:
        """The CPUs of each node, as `domus.config.compile.cpus.resolve` takes them."""
        number = max([cpu.node for cpu in self.cpus] + [node.node for node in self.nodes], default=0) + 1
        return [[cpu.cpu for cpu in self.cpus if cpu.node == node] for node in range(number)]
