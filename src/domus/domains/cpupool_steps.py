"""The steps behind changes of cpupools: which CPUs and numbers are free, and how a step is taken back.

Everything here asks libxl, and blocks: for a worker thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from domus.domains.journal import DestroyCpupool, RenameCpupool, ReturnCpus
from domus.domains.topology import cpus_of, host_topology
from domus.model.cpupool import CpupoolConfig
from domus.model.errors import InUse, LibxlError, NoCapacity
from domus.xen.libxl import Libxl

log = logging.getLogger(__name__)


def free_number(libxl: Libxl) -> int:
    """The first number that no cpupool has: it is written down before Xen is asked to use it."""
    taken = {pool["poolid"] for pool in libxl.list_cpupools()}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def free_cpus(libxl: Libxl, config: CpupoolConfig) -> tuple[int, ...]:
    """The CPUs for a new cpupool.

    Raises:
        BadInput: what is asked for means nothing on this host.
        InUse, NoCapacity: it is not free.
    """
    if config.cpus:
        cpus = cpus_of(config.cpus, host_topology(libxl))
        check_free(libxl, cpus)
        return cpus
    free = libxl.free_cpu_numbers()
    wanted = 1 if config.cpu_count is None else config.cpu_count
    if wanted > len(free):
        raise NoCapacity(
            f"{wanted} CPUs are wanted, {len(free)} are free",
            hint="xm cpupool-cpu-remove frees one of a cpupool",
        )
    return tuple(free[:wanted])


def check_free(libxl: Libxl, cpus: Sequence[int]) -> None:
    """Go on only if these CPUs are in no cpupool.

    Raises:
        InUse: one is; the hint says in which.
    """
    free = libxl.free_cpu_numbers()
    for cpu in cpus:
        if cpu not in free:
            holder = next((p["pool_name"] for p in libxl.list_cpupools() if cpu in p["cpumap"]), None)
            hint = f"it is in {holder}: xm cpupool-cpu-remove {holder} {cpu}" if holder else ""
            raise InUse(f"CPU {cpu} is not free", hint=hint)


def take_back(libxl: Libxl, record: DestroyCpupool | RenameCpupool | ReturnCpus) -> None:
    """Undo a step; harmless when it is undone already, or never was taken."""
    match record:
        case DestroyCpupool(pool, name):
            # One that was cut off before it was named has none; of another name it is somebody else's.
            found = libxl.cpupool_name(pool)
            if found == name:
                libxl.destroy_cpupool(pool)
            elif found is None:
                _destroy_nameless(libxl, pool)
        case RenameCpupool(pool, name):
            libxl.rename_cpupool(pool, name)
        case ReturnCpus(pool, into, out):
            for cpu in set(libxl.free_cpu_numbers()) & set(into):
                libxl.add_cpu(pool, cpu)
            owned = [each["cpumap"] for each in libxl.list_cpupools() if each["poolid"] == pool]
            for cpu in {cpu for cpus in owned for cpu in cpus} & set(out):
                libxl.remove_cpu(pool, cpu)


def _destroy_nameless(libxl: Libxl, pool: int) -> None:
    try:
        libxl.destroy_cpupool(pool)
    except LibxlError as error:
        log.debug("cpupool %s: %s", pool, error.what)  # libxl has no other way to say that there is none
