"""Sets of CPUs and VCPUs, as libxl takes them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ctypes import c_int, c_uint32, c_void_p
from typing import Final

from domus.xen.libxl.abi import CTX, STRUCT, Prototypes
from domus.xen.libxl.calls import Calls
from domus.xen.libxl.context import Context


class Bitmap(ctypes.Structure):
    """libxl_bitmap of libxl.h: public, the same since Xen 4.2, and passed by value to one function."""

    _fields_ = (("size", c_uint32), ("map", c_void_p))


PROTOTYPES: Final[Prototypes] = {
    "libxl_bitmap_init": (None, (STRUCT,)),
    "libxl_bitmap_dispose": (None, (STRUCT,)),
    "libxl_bitmap_alloc": (c_int, (CTX, STRUCT, c_int)),
    "libxl_bitmap_set": (None, (STRUCT, c_int)),
    "libxl_bitmap_test": (c_int, (STRUCT, c_int)),
    "libxl_bitmap_count_set": (c_int, (STRUCT,)),
}


class BitmapCalls(Calls):
    """Bitmaps that are filled here."""

    @contextmanager
    def _bitmap(self, context: Context, numbers: Iterable[int]) -> Iterator[Bitmap]:
        """A bitmap with these bits set, freed at the end."""
        wanted = sorted(numbers)
        bitmap = Bitmap()
        self._library.libxl_bitmap_init(ctypes.byref(bitmap))
        try:
            context.call("libxl_bitmap_alloc", ctypes.byref(bitmap), max(wanted, default=0) + 1)
            for number in wanted:
                self._library.libxl_bitmap_set(ctypes.byref(bitmap), number)
            yield bitmap
        finally:
            self._library.libxl_bitmap_dispose(ctypes.byref(bitmap))
