"""Cpupools: sets of the host's CPUs, each with a scheduler and domains of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from ctypes import POINTER, byref, c_char_p, c_int, c_uint32
from typing import Final

from domus.model.errors import BadInput
from domus.xen.libxl.abi import CTX, DOMID, STRUCT, TEXT, Prototypes
from domus.xen.libxl.bitmaps import Bitmap, BitmapCalls
from domus.xen.libxl.calls import Document

PROTOTYPES: Final[Prototypes] = {
    "libxl_cpupoolinfo_init": (None, (STRUCT,)),
    "libxl_cpupoolinfo_dispose": (None, (STRUCT,)),
    "libxl_cpupoolinfo_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_cpupoolinfo_list_free": (None, (STRUCT, c_int)),
    "libxl_list_cpupool": (STRUCT, (CTX, POINTER(c_int))),
    "libxl_scheduler_from_string": (c_int, (c_char_p, POINTER(c_int))),
    "libxl_cpupool_create": (c_int, (CTX, c_char_p, c_int, Bitmap, STRUCT, POINTER(c_uint32))),
    "libxl_cpupool_destroy": (c_int, (CTX, c_uint32)),
    "libxl_cpupool_rename": (c_int, (CTX, c_char_p, c_uint32)),
    "libxl_cpupool_cpuadd": (c_int, (CTX, c_uint32, c_int)),
    "libxl_cpupool_cpuremove": (c_int, (CTX, c_uint32, c_int)),
    "libxl_cpupool_movedomain": (c_int, (CTX, c_uint32, DOMID)),
}

#: as the id of a new pool: any that is free (libxl.h, LIBXL_CPUPOOL_POOLID_ANY)
_ANY_POOL: Final = 0xFFFFFFFF

#: libxl leaves out what has its initial value
_POOL: Final[Document] = {"poolid": 0, "pool_name": "", "sched": "unknown", "n_dom": 0, "cpumap": []}


class CpupoolCalls(BitmapCalls):
    """The cpupools of the host."""

    def list_cpupools(self) -> list[Document]:
        """libxl_cpupoolinfo of each, in order of their ids; `cpumap` has the numbers of its CPUs."""
        number = ctypes.c_int()
        with self._contexts.lease() as context:
            first = context.get("libxl_list_cpupool", byref(number))
            try:
                places = self._places("libxl_cpupoolinfo", first, number.value)
                return [_POOL | self._printed(context, "libxl_cpupoolinfo", place) for place in places]
            finally:
                self._library.libxl_cpupoolinfo_list_free(first, number)

    def create_cpupool(
        self, name: str, scheduler: str, uuid: bytes, cpus: Collection[int], *, number: int | None = None
    ) -> int:
        """Make a cpupool of free CPUs; returns its number.

        Args:
            number: the one that it shall have; None: any that is free.
            uuid: its 16 bytes (libxl_uuid.h: a libxl_uuid is those and nothing else).

        Raises:
            BadInput: there is no such scheduler.
            LibxlError: a CPU is not free, or this Xen was built without the scheduler; nothing is left.
        """
        kind = ctypes.c_int()
        if self._library.libxl_scheduler_from_string(scheduler.encode(), byref(kind)):
            raise BadInput(f"there is no scheduler {scheduler[:40]!r}")
        pool = ctypes.c_uint32(_ANY_POOL if number is None else number)
        identity = ctypes.create_string_buffer(uuid, 16)
        with self._contexts.lease() as context, self._bitmap(context, cpus) as bitmap:
            context.call("libxl_cpupool_create", name.encode(), kind, bitmap, identity, byref(pool))
        return pool.value

    def destroy_cpupool(self, pool: int) -> None:
        """Take a cpupool away; its CPUs are free then. It must have no domain."""
        with self._contexts.lease() as context:
            context.call("libxl_cpupool_destroy", pool)

    def rename_cpupool(self, pool: int, name: str) -> None:
        """Give a cpupool another name."""
        with self._contexts.lease() as context:
            context.call("libxl_cpupool_rename", name.encode(), pool)

    def add_cpu(self, pool: int, cpu: int) -> None:
        """Put a free CPU into a cpupool."""
        with self._contexts.lease() as context:
            context.call("libxl_cpupool_cpuadd", pool, cpu)

    def remove_cpu(self, pool: int, cpu: int) -> None:
        """Take a CPU out of a cpupool."""
        with self._contexts.lease() as context:
            context.call("libxl_cpupool_cpuremove", pool, cpu)

    def move_domain(self, pool: int, domid: int) -> None:
        """Move a domain into a cpupool."""
        with self._contexts.lease() as context:
            context.call("libxl_cpupool_movedomain", pool, domid, domid=domid)
