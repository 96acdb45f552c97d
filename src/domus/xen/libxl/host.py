"""The host: what Xen says of itself, its CPUs, its memory, its messages."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_uint32, c_uint64, c_void_p
from typing import Final

from domus.model.errors import HostProblem
from domus.xen.libxl.abi import CTX, STRUCT, TEXT, Prototypes
from domus.xen.libxl.calls import Calls, Document
from domus.xen.libxl.documents import whole_hw_cap

PROTOTYPES: Final[Prototypes] = {
    "libxl_physinfo_init": (None, (STRUCT,)),
    "libxl_physinfo_dispose": (None, (STRUCT,)),
    "libxl_physinfo_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_version_info_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_bitmap_init": (None, (STRUCT,)),
    "libxl_bitmap_dispose": (None, (STRUCT,)),
    "libxl_bitmap_count_set": (c_int, (STRUCT,)),
    "libxl_scheduler_to_string": (c_char_p, (c_int,)),
    "libxl_get_version_info": (STRUCT, (CTX,)),
    "libxl_get_physinfo": (c_int, (CTX, STRUCT)),
    "libxl_get_scheduler": (c_int, (CTX,)),
    "libxl_get_freecpus": (c_int, (CTX, STRUCT)),
    "libxl_get_free_memory": (c_int, (CTX, POINTER(c_uint64))),
    "libxl_cpupoolid_to_name": (TEXT, (CTX, c_uint32)),
    "libxl_send_debug_keys": (c_int, (CTX, c_char_p)),
    "libxl_xen_console_read_start": (c_void_p, (CTX, c_int)),
    "libxl_xen_console_read_line": (c_int, (CTX, c_void_p, POINTER(c_char_p))),
    "libxl_xen_console_read_finish": (None, (CTX, c_void_p)),
    # libxenctrl (xenctrl.h): nothing in libxl tells what guests see of the CPUs
    "xc_get_cpu_featureset": (c_int, (c_void_p, c_uint32, POINTER(c_uint32), POINTER(c_uint32))),
}


#: numbers of Xen's sets of CPU features (public/sysctl.h, XEN_SYSCTL_cpu_featureset_*)
FEATURES_PV: Final = 2  #: what a PV guest sees unless its configuration says otherwise
FEATURES_HVM: Final = 3  #: the same of PVH and HVM guests
FEATURES_PV_MAX: Final = 4  #: what a PV guest can be given at all
FEATURES_HVM_MAX: Final = 5

_WORDS_OF_FEATURES: Final = 64  # Xen 4.20 has 22


class HostCalls(Calls):
    """What libxl knows of the host."""

    def version(self) -> Document:
        """libxl_version_info: version, compiler, capabilities, command line of the hypervisor."""
        with self._contexts.lease() as context:
            return self._printed(context, "libxl_version_info", context.get("libxl_get_version_info"))

    def physinfo(self) -> Document:
        """libxl_physinfo: CPUs, nodes, capabilities, and memory in pages of 4 KiB."""
        with self._contexts.lease() as context, self._struct("libxl_physinfo") as info:
            context.call("libxl_get_physinfo", info)
            document = self._printed(context, "libxl_physinfo", info)
            return document | {"hw_cap": whole_hw_cap(document["hw_cap"], info.raw)}

    def cpu_features(self, which: int) -> tuple[int, ...]:
        """One of Xen's sets of CPU features, 32 of them in each number (public/arch-x86/cpufeatureset.h).

        Raises:
            HostProblem: this Xen does not have it.
        """
        number = c_uint32(_WORDS_OF_FEATURES)
        words = (c_uint32 * _WORDS_OF_FEATURES)()
        with self._libxenctrl() as interface:
            if self._library.xc_get_cpu_featureset(interface, which, byref(number), words):
                raise HostProblem(f"Xen does not tell its set {which} of CPU features")
        return tuple(words[: number.value])

    def scheduler(self) -> str:
        """Name of the scheduler of the first CPU pool, such as "credit2"."""
        with self._contexts.lease() as context:
            number = context.call("libxl_get_scheduler")
        return str(self._library.libxl_scheduler_to_string(number).decode())

    def free_cpus(self) -> int:
        """CPUs that are in no CPU pool."""
        with self._contexts.lease() as context, self._struct("libxl_bitmap") as cpus:
            context.call("libxl_get_freecpus", cpus)
            return int(self._library.libxl_bitmap_count_set(cpus))

    def free_memory_kib(self) -> int:
        """KiB that a new domain could have, less what Xen keeps back for its own use."""
        return self._number("libxl_get_free_memory")

    def cpupool_name(self, pool: int) -> str | None:
        """Name of a CPU pool; None when there is none of that number."""
        with self._contexts.lease() as context:
            return self._library.owned_text(self._library.libxl_cpupoolid_to_name(context.pointer, pool))

    def read_console_ring(self, *, clear: bool = False) -> str:
        """Xen's own messages, oldest first (`xl dmesg`).

        Args:
            clear: forget them.
        """
        chunks = []
        with self._contexts.lease() as context:
            reader = context.get("libxl_xen_console_read_start", int(clear))
            try:
                chunk = ctypes.c_char_p()
                while context.call("libxl_xen_console_read_line", reader, byref(chunk)) > 0:
                    chunks.append(chunk.value or b"")
            finally:
                self._library.libxl_xen_console_read_finish(context.pointer, reader)
        return b"".join(chunks).decode("utf-8", errors="replace")

    def send_debug_keys(self, keys: str) -> None:
        """Press keys on Xen's serial console; the answers are in its console ring."""
        with self._contexts.lease() as context:
            context.call("libxl_send_debug_keys", keys.encode())
