"""A host: one machine running Xen."""

from __future__ import annotations

import msgspec


class HostInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `xm info` shows; the names are its keys. Memory in MiB, cpu_mhz in MHz."""

    host: str
    release: str  #: dom0's kernel release, as uname -r
    version: str  #: dom0's kernel version, as uname -v
    machine: str
    nr_cpus: int
    max_cpu_id: int
    nr_nodes: int
    cores_per_socket: int
    threads_per_core: int
    cpu_mhz: float
    hw_caps: str  #: words of eight hexadecimal digits joined by ":"
    virt_caps: str
    total_memory: int
    free_memory: int
    sharing_freed_memory: int = 0
    sharing_used_memory: int = 0
    outstanding_claims: int = 0
    free_cpus: int = 0
    xen_major: int
    xen_minor: int
    xen_extra: str
    xen_version: str
    xen_caps: str
    xen_scheduler: str
    xen_pagesize: int
    platform_params: str
    xen_changeset: str
    xen_commandline: str
    cc_compiler: str
    cc_compile_by: str
    cc_compile_domain: str
    cc_compile_date: str
    build_id: str = ""
    xend_version: str = ""  #: version of Domus that answers


class HostDisk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A block device of the host."""

    device: str  #: such as "/dev/sda"
    serial: str = ""  #: as its SCSI vital product data page 0x80 says
    size_bytes: int = 0
    read_only: bool = False
