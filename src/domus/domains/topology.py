"""Where the host's CPUs are, and what a list of CPUs such as `0-3,^1` or `node:1` means on it."""

from __future__ import annotations

from domus.config.compile.cpus import resolve
from domus.model.topology import HostCpu, HostDevice, HostNode, HostTopology
from domus.xen.libxl import Libxl
from domus.xen.libxl.topology import NOT_THERE


def host_topology(libxl: Libxl) -> HostTopology:
    """CPUs, nodes and devices as Xen knows them. Blocks; for a worker thread."""
    cpus = [
        HostCpu(cpu=number, core=each["core"], socket=each["socket"], node=each["node"])
        for number, each in enumerate(libxl.cpu_topology())
        if each["core"] != NOT_THERE
    ]
    nodes = [
        HostNode(
            node=number,
            memory_mib=int(each["size"]) >> 20,
            free_mib=int(each["free"]) >> 20,
            distances=tuple(each["dists"]),
        )
        for number, each in enumerate(libxl.numa_nodes())
    ]
    devices = [
        HostDevice(
            address=f"{each['seg']:04x}:{each['bus']:02x}:{each['devfn'] >> 3:02x}.{each['devfn'] & 7:x}",
            node=each["node"],
        )
        for each in libxl.pci_topology()
        if each["node"] != NOT_THERE
    ]
    return HostTopology(cpus=tuple(cpus), nodes=tuple(nodes), devices=tuple(devices))


def cpus_of(text: str, host: HostTopology) -> tuple[int, ...]:
    """The CPUs of this host that a list means, ascending.

    Raises:
        BadInput: it is no list, names a node that is not there, or leaves no CPU of this host.
    """
    return resolve(text, host.cpus_by_node())
