"""Intel's resource director: which share of caches and memory bandwidth domains use, and may use.

Source: libxl.h (libxl_psr_*, x86 only), the same in 4.17 and 4.20; xen docs/misc/xl-psr.pandoc.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from ctypes import POINTER, byref, c_int, c_uint, c_uint32, c_uint64, c_void_p
from typing import Final

from domus.xen.libxl.abi import CTX, DOMID, STRUCT, TEXT, Prototypes
from domus.xen.libxl.bitmaps import BitmapCalls
from domus.xen.libxl.calls import Document

_HW_INFO: Final = "libxl_psr_hw_info"

PROTOTYPES: Final[Prototypes] = {
    "libxl_psr_cmt_attach": (c_int, (CTX, DOMID)),
    "libxl_psr_cmt_detach": (c_int, (CTX, DOMID)),
    "libxl_psr_cmt_domain_attached": (c_int, (CTX, DOMID)),
    "libxl_psr_cmt_enabled": (c_int, (CTX,)),
    "libxl_psr_cmt_type_supported": (c_int, (CTX, c_int)),
    "libxl_psr_cmt_get_total_rmid": (c_int, (CTX, POINTER(c_uint32))),
    "libxl_psr_cmt_get_l3_cache_size": (c_int, (CTX, c_uint32, POINTER(c_uint32))),
    "libxl_psr_cmt_get_sample": (
        c_int,
        (CTX, DOMID, c_int, c_uint64, POINTER(c_uint64), POINTER(c_uint64)),
    ),
    "libxl_psr_get_hw_info": (c_int, (CTX, c_int, c_uint, POINTER(c_uint), POINTER(c_void_p))),
    "libxl_psr_hw_info_list_free": (None, (c_void_p, c_uint)),
    "libxl_psr_hw_info_init": (None, (STRUCT,)),
    "libxl_psr_hw_info_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_psr_get_val": (c_int, (CTX, DOMID, c_int, c_uint, POINTER(c_uint64))),
    "libxl_psr_set_val": (c_int, (CTX, DOMID, c_int, c_void_p, c_uint64)),
}


class PsrCalls(BitmapCalls):
    """Every one of them is a LibxlError on CPUs that cannot do it; libxl's log says which."""

    def psr_monitors(self, kind: int) -> bool:
        """The CPUs can measure this kind of use (libxl_psr_cmt_type)."""
        with self._contexts.lease() as context:
            return bool(
                self._library.libxl_psr_cmt_enabled(context.pointer)
                and self._library.libxl_psr_cmt_type_supported(context.pointer, kind)
            )

    def psr_rmids(self) -> int:
        """How many domains can be measured at once."""
        number = c_uint32()
        with self._contexts.lease() as context:
            context.call("libxl_psr_cmt_get_total_rmid", byref(number))
        return number.value

    def psr_cache_kib(self, socket: int) -> int:
        """The third-level cache of a socket, in KiB."""
        size = c_uint32()
        with self._contexts.lease() as context:
            context.call("libxl_psr_cmt_get_l3_cache_size", socket, byref(size))
        return size.value

    def psr_is_measured(self, domid: int) -> bool:
        """A domain's use is being measured."""
        with self._contexts.lease() as context:
            return bool(self._library.libxl_psr_cmt_domain_attached(context.pointer, domid))

    def psr_measure(self, domid: int, *, on: bool) -> None:
        """Begin to measure a domain's use, or end that."""
        self._do("libxl_psr_cmt_attach" if on else "libxl_psr_cmt_detach", domid)

    def psr_sample(self, domid: int, kind: int, socket: int) -> int:
        """A domain's use on a socket: bytes of its cache now, or bytes of memory moved so far."""
        value, _moment = c_uint64(), c_uint64()
        with self._contexts.lease() as context:
            words = (domid, kind, socket, byref(value), byref(_moment))
            context.call("libxl_psr_cmt_get_sample", *words, domid=domid)
        return value.value

    def psr_hardware(self, feature: int, level: int) -> list[Document]:
        """What each socket can do, by its "id": under "type.cat" or "type.mba" (libxl_psr_feat_type)."""
        number, first = c_uint(), c_void_p()
        with self._contexts.lease() as context:
            context.call("libxl_psr_get_hw_info", feature, level, byref(number), byref(first))
            try:
                places = self._places(_HW_INFO, first.value or 0, number.value)
                return [self._printed(context, _HW_INFO, place) for place in places]
            finally:
                self._library.libxl_psr_hw_info_list_free(first, number)

    def psr_share(self, domid: int, kind: int, socket: int) -> int:
        """The share that a domain may use (libxl_psr_cbm_type): a mask of ways of a cache, or a throttle."""
        value = c_uint64()
        with self._contexts.lease() as context:
            context.call("libxl_psr_get_val", domid, kind, socket, byref(value), domid=domid)
        return value.value

    def set_psr_share(self, domid: int, kind: int, sockets: Iterable[int], value: int) -> None:
        """Let a domain use that share, on these sockets."""
        with self._contexts.lease() as context, self._bitmap(context, sockets) as bitmap:
            words = (domid, kind, ctypes.byref(bitmap), value)
            context.call("libxl_psr_set_val", *words, domid=domid)
