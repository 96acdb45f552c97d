"""The host's CPUs, NUMA nodes and devices, and the parameters of Xen that can change while it runs."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_uint8, c_uint32
from typing import Final

from domus.xen.libxl.abi import CTX, DOMID, STRUCT, TEXT, Prototypes
from domus.xen.libxl.bitmaps import BitmapCalls
from domus.xen.libxl.calls import Document

#: what a CPU, or the node of a device, has that is not there (libxl.h, LIBXL_CPUTOPOLOGY_INVALID_ENTRY)
NOT_THERE: Final = 0xFFFFFFFF

# xen/include/public/sysctl.h, XEN_SYSCTL_DT_OVERLAY_*; domctl.h, XEN_DOMCTL_DT_OVERLAY_ATTACH
_OVERLAY_ADD: Final = 1
_OVERLAY_REMOVE: Final = 2
_OVERLAY_ATTACH: Final = 1

_LISTS: Final = {
    "libxl_cputopology": "libxl_get_cpu_topology",
    "libxl_numainfo": "libxl_get_numainfo",
    "libxl_pcitopology": "libxl_get_pci_topology",
}

PROTOTYPES: Final[Prototypes] = {
    "libxl_get_freecpus": (c_int, (CTX, STRUCT)),
    "libxl_set_parameters": (c_int, (CTX, c_char_p)),
    # Arm only, Xen 4.18 on, and 4.20 on
    "libxl_dt_overlay": (c_int, (CTX, c_char_p, c_uint32, c_uint8)),
    "libxl_dt_overlay_domain": (c_int, (CTX, DOMID, c_char_p, c_uint32, c_uint8)),
    **{function: (STRUCT, (CTX, POINTER(c_int))) for function in _LISTS.values()},
    **{f"{kind}_init": (None, (STRUCT,)) for kind in _LISTS},
    **{f"{kind}_to_json": (TEXT, (CTX, STRUCT)) for kind in _LISTS},
    **{f"{kind}_list_free": (None, (STRUCT, c_int)) for kind in _LISTS},
}


class TopologyCalls(BitmapCalls):
    """What the host is made of."""

    def cpu_topology(self) -> list[Document]:
        """`core`, `socket` and `node` of each CPU id; all of them `NOT_THERE` for one that is not there."""
        initial = {"core": 0, "socket": 0, "node": 0}
        return [initial | each for each in self._list("libxl_cputopology")]

    def numa_nodes(self) -> list[Document]:
        """`size` and `free` in bytes and `dists` to all nodes, of each node."""
        return [{"size": 0, "free": 0, "dists": []} | each for each in self._list("libxl_numainfo")]

    def pci_topology(self) -> list[Document]:
        """`seg`, `bus`, `devfn` and `node` of each PCI device whose node Xen knows."""
        initial = {"seg": 0, "bus": 0, "devfn": 0, "node": 0}
        return [initial | each for each in self._list("libxl_pcitopology")]

    def free_cpu_numbers(self) -> list[int]:
        """The CPUs that are in no cpupool."""
        with self._contexts.lease() as context, self._struct("libxl_bitmap") as cpus:
            context.call("libxl_get_freecpus", cpus)
            # A bit beyond the map's end is not set; Xen has 16383 CPUs at the most (CONFIG_NR_CPUS).
            return [number for number in range(1 << 14) if self._library.libxl_bitmap_test(cpus, number)]

    def set_parameters(self, parameters: str) -> None:
        """Change parameters of Xen's command line that can change at run time.

        Raises:
            LibxlError: one is unknown, or cannot change while Xen runs.
        """
        with self._contexts.lease() as context:
            context.call("libxl_set_parameters", parameters.encode())

    def dt_overlay(self, overlay: bytes, *, add: bool) -> None:
        """Add a compiled overlay to the host's device tree, or take it out again.

        Raises:
            LibxlError: Xen refuses it; its messages say why.
            HostProblem: this host's libxl has no overlays (they are Arm's).
        """
        with self._contexts.lease() as context:
            context.call("libxl_dt_overlay", overlay, len(overlay), _OVERLAY_ADD if add else _OVERLAY_REMOVE)

    def dt_overlay_of_domain(self, domid: int, overlay: bytes) -> None:
        """Give a domain the devices of an overlay that the host's tree has. Raises as `dt_overlay`."""
        self._do("libxl_dt_overlay_domain", domid, overlay, len(overlay), _OVERLAY_ATTACH)

    def _list(self, kind: str) -> list[Document]:
        number = ctypes.c_int()
        with self._contexts.lease() as context:
            first: int | None = getattr(self._library, _LISTS[kind])(context.pointer, byref(number))
            context.log.take()
            if not first:  # of PCI devices: this Xen knows no node of any
                return []
            try:
                places = self._places(kind, first, number.value)
                return [self._printed(context, kind, place) for place in places]
            finally:
                getattr(self._library, f"{kind}_list_free")(first, number)
