"""VCPUs: where they run, where they may, and which of them are online."""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from contextlib import ExitStack
from ctypes import POINTER, byref, c_int, c_uint32
from typing import Any, Final

from domus.model.errors import DomainNotFound
from domus.xen.libxl.abi import CTX, DOMID, HOW, STRUCT, TEXT, Prototypes
from domus.xen.libxl.bitmaps import BitmapCalls
from domus.xen.libxl.calls import Document
from domus.xen.libxl.context import Context

PROTOTYPES: Final[Prototypes] = {
    "libxl_vcpuinfo_init": (None, (STRUCT,)),
    "libxl_vcpuinfo_dispose": (None, (STRUCT,)),
    "libxl_vcpuinfo_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_vcpuinfo_list_free": (None, (STRUCT, c_int)),
    "libxl_list_vcpu": (STRUCT, (CTX, DOMID, POINTER(c_int), POINTER(c_int))),
    "libxl_set_vcpuaffinity": (c_int, (CTX, DOMID, c_uint32, STRUCT, STRUCT)),
    "libxl_set_vcpuaffinity_force": (c_int, (CTX, DOMID, c_uint32, STRUCT, STRUCT)),
    "libxl_set_vcpuonline": (c_int, (CTX, DOMID, STRUCT, HOW)),
}

#: libxl leaves out what has its initial value
_VCPU: Final[Document] = {
    "vcpuid": 0,
    "cpu": 0,
    "online": False,
    "blocked": False,
    "running": False,
    "vcpu_time": 0,
    "cpumap": [],
    "cpumap_soft": [],
}


class VcpuCalls(BitmapCalls):
    """The VCPUs of domains."""

    def list_vcpus(self, domid: int) -> list[Document]:
        """libxl_vcpuinfo of each VCPU, in their order; `vcpu_time` in nanoseconds.

        `cpumap` (where it may run) and `cpumap_soft` (where it prefers to) have bits beyond the host's
        CPUs: an affinity that was never set has all bits.

        Raises:
            DomainNotFound: there is no such domain.
        """
        number, host_cpus = ctypes.c_int(), ctypes.c_int()
        with self._contexts.lease() as context:
            # Asked first: a null pointer of libxl_list_vcpu says nothing about why.
            if not context.has_domain(domid):
                raise DomainNotFound(f"Domain '{domid}' does not exist.")
            first = context.get("libxl_list_vcpu", domid, byref(number), byref(host_cpus))
            try:
                places = self._places("libxl_vcpuinfo", first, number.value)
                return [_VCPU | self._printed(context, "libxl_vcpuinfo", place) for place in places]
            finally:
                self._library.libxl_vcpuinfo_list_free(first, number)

    def set_affinity(
        self,
        domid: int,
        vcpu: int,
        *,
        hard: Collection[int] | None,
        soft: Collection[int] | None,
        force: bool = False,
    ) -> None:
        """Say on which CPUs of the host a VCPU may run, and on which it prefers to; None: as it is.

        Args:
            force: also when Xen has pinned it for a while (libxl.h, libxl_set_vcpuaffinity_force).
        """
        function = "libxl_set_vcpuaffinity_force" if force else "libxl_set_vcpuaffinity"
        with self._contexts.lease() as context, ExitStack() as stack:
            maps = [self._optional(stack, context, numbers) for numbers in (hard, soft)]
            context.call(function, domid, vcpu, *maps, domid=domid)

    def _optional(self, stack: ExitStack, context: Context, numbers: Collection[int] | None) -> Any:
        return None if numbers is None else byref(stack.enter_context(self._bitmap(context, numbers)))

    def set_vcpus_online(self, domid: int, online: int) -> None:
        """Ask the guest to have its first `online` VCPUs online and no others; returns at once."""
        with self._contexts.lease() as context, self._bitmap(context, range(online)) as vcpus:
            context.call("libxl_set_vcpuonline", domid, byref(vcpus), None, domid=domid)
