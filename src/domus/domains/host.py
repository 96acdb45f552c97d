"""The host itself: what `xm info` shows."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

from domus import __version__
from domus.model.host import HostInfo
from domus.xen.libxl import Libxl

#: physinfo members and the words that `xl info` has for them, in its order (tools/xl/xl_info.c).
_CAPABILITIES: Final = (
    ("cap_pv", "pv"),
    ("cap_hvm", "hvm"),
    ("cap_hvm_directio", None),
    ("cap_hap", "hap"),
    ("cap_shadow", "shadow"),
    ("cap_iommu_hap_pt_share", "iommu_hap_pt_share"),
    ("cap_vmtrace", "vmtrace"),
    ("cap_vpmu", "vpmu"),
    ("cap_gnttab_v1", "gnttab-v1"),
    ("cap_gnttab_v2", "gnttab-v2"),
)

_MEBIBYTE: Final = 1 << 20


async def host_info(libxl: Libxl) -> HostInfo:
    """The host as Xen and dom0's kernel describe it now."""
    return await asyncio.to_thread(_ask, libxl)


def _ask(libxl: Libxl) -> HostInfo:
    return describe(
        libxl.version(),
        libxl.physinfo(),
        scheduler=libxl.scheduler(),
        free_cpus=libxl.free_cpus(),
        uname=os.uname(),
    )


def describe(
    version: dict[str, Any],
    physical: dict[str, Any],
    *,
    scheduler: str,
    free_cpus: int,
    uname: os.uname_result,
) -> HostInfo:
    """What libxl's structs say, in xm's words. Pages become MiB, kHz MHz."""
    page_bytes = int(version.get("pagesize", 4096))

    def mib(pages: str) -> int:
        return int(physical.get(pages, 0)) * page_bytes // _MEBIBYTE

    free_pages = int(physical.get("free_pages", 0)) - int(physical.get("outstanding_pages", 0))
    major, minor = int(version["xen_version_major"]), int(version["xen_version_minor"])
    extra = str(version.get("xen_version_extra") or "")
    return HostInfo(
        host=uname.nodename,
        release=uname.release,
        version=uname.version,
        machine=uname.machine,
        nr_cpus=int(physical["nr_cpus"]),
        max_cpu_id=int(physical.get("max_cpu_id", 0)),
        nr_nodes=int(physical.get("nr_nodes", 1)),
        cores_per_socket=int(physical.get("cores_per_socket", 1)),
        threads_per_core=int(physical.get("threads_per_core", 1)),
        cpu_mhz=int(physical.get("cpu_khz", 0)) / 1000,
        hw_caps=":".join(f"{int(word):08x}" for word in physical.get("hw_cap", [])),
        virt_caps=virt_caps(physical),
        total_memory=mib("total_pages"),
        free_memory=free_pages * page_bytes // _MEBIBYTE,
        sharing_freed_memory=mib("sharing_freed_pages"),
        sharing_used_memory=mib("sharing_used_frames"),
        outstanding_claims=mib("outstanding_pages"),
        free_cpus=free_cpus,
        xen_major=major,
        xen_minor=minor,
        xen_extra=extra,
        xen_version=f"{major}.{minor}{extra}",
        xen_caps=str(version.get("capabilities") or ""),
        xen_scheduler=scheduler,
        xen_pagesize=page_bytes,
        platform_params=f"virt_start=0x{int(version.get('virt_start', 0)):x}",
        xen_changeset=str(version.get("changeset") or ""),
        xen_commandline=str(version.get("commandline") or ""),
        cc_compiler=str(version.get("compiler") or ""),
        cc_compile_by=str(version.get("compile_by") or ""),
        cc_compile_domain=str(version.get("compile_domain") or ""),
        cc_compile_date=str(version.get("compile_date") or ""),
        build_id=str(version.get("build_id") or ""),
        xend_version=__version__,
    )


def virt_caps(physical: dict[str, Any]) -> str:
    """The words that `xl info` has for what the CPUs can do."""
    words = []
    for member, word in _CAPABILITIES:
        if not physical.get(member):
            continue
        # A host with an IOMMU can hand devices to whichever types of guests it has at all.
        kinds = [kind for kind in ("pv", "hvm") if physical.get(f"cap_{kind}")]
        words += [word] if word else [f"{kind}_directio" for kind in reversed(kinds)]
    return " ".join(words)
