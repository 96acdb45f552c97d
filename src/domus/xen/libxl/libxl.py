"""The one door to libxl. Every method blocks: call it from a worker thread; any number may run at once."""

from __future__ import annotations

from typing import Self

from domus.xen.libxl import (
    abi,
    bitmaps,
    cpupools,
    devices,
    domains,
    foreign,
    host,
    lifecycle,
    memory,
    psr,
    records,
    saving,
    scheduling,
    topology,
    vcpus,
)


class Libxl(
    host.HostCalls,
    domains.DomainReads,
    lifecycle.Lifecycle,
    devices.DeviceCalls,
    saving.Saving,
    memory.MemoryCalls,
    vcpus.VcpuCalls,
    scheduling.SchedulingCalls,
    cpupools.CpupoolCalls,
    topology.TopologyCalls,
    foreign.ForeignMemory,
    psr.PsrCalls,
):
    """Xen's toolstack library, by documents: what it knows comes as the JSON that it prints itself.

    libxl = Libxl.open()
    [domain["domid"] for domain in libxl.list_domains()]

    Errors are LibxlError, with the call, the error code and what libxl logged; DomainNotFound where a
    domid is not there (any more). Memory in KiB. Each area of its functions is a module of its own.

    libxl takes SIGCHLD for itself, and leaves children of others alone: nobody in this process may set
    a handler for it, and everybody waits for their children by pid (subprocess and asyncio do).
    """

    @classmethod
    def open(cls) -> Self:
        """The libxl of this host.

        Raises:
            HostProblem: this host does not run Xen, its tools are not installed, or we are not root.
        """
        areas = (
            abi,
            host,
            domains,
            lifecycle,
            devices,
            saving,
            bitmaps,
            memory,
            vcpus,
            scheduling,
            cpupools,
            topology,
            foreign,
            psr,
            records,
        )
        prototypes = {name: row for area in areas for name, row in area.PROTOTYPES.items()}
        return cls(abi.load(prototypes))

    def close(self) -> None:
        """Let go of Xen; calls that still run are not disturbed. May be called twice."""
        self._records.close()
        self._contexts.close()
