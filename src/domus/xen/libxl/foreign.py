"""A domain's memory as domain 0 sees it: its frames and what is in them; and its VCPUs' registers.

libxl has no functions for that. libxenforeignmemory's interface is stable (its soname is 1 in every Xen since
4.8); of libxenctrl these functions have the same parameters in Xen 4.17 to 4.20 (xenctrl.h).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import POINTER, byref, c_int, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import Final

from domus.model.errors import DomainNotFound, HostProblem
from domus.xen.libxl.abi import DOMID, Library, Prototypes
from domus.xen.libxl.calls import Calls

PAGE: Final = 4096

#: frames that Xen tells of in one hypercall (xen/arch/x86/domctl.c, XEN_DOMCTL_getpageframeinfo3)
_TOLD_AT_ONCE: Final = 1024
#: what it says of a frame that is not there (public/domctl.h, XEN_DOMCTL_PFINFO_*)
_TYPE_MASK: Final = 0xF << 28
_ABSENT: Final = frozenset(kind << 28 for kind in (0xD, 0xF))  # broken, not there

#: vcpu_guest_context_t of a 64-bit domain (public/arch-x86/xen.h); libxenctrl copies no more
CONTEXT_BYTES: Final = 5168

_PROT_READ: Final = 1

PROTOTYPES: Final[Prototypes] = {
    "xc_domain_maximum_gpfn": (c_int, (c_void_p, DOMID, POINTER(c_uint64))),
    "xc_get_pfn_type_batch": (c_int, (c_void_p, DOMID, c_uint, c_void_p)),
    "xc_vcpu_getcontext": (c_int, (c_void_p, DOMID, c_uint32, c_void_p)),
    "xc_version": (c_int, (c_void_p, c_int, c_void_p)),
    "xenforeignmemory_open": (c_void_p, (c_void_p, c_uint)),
    "xenforeignmemory_close": (c_int, (c_void_p,)),
    "xenforeignmemory_map": (c_void_p, (c_void_p, DOMID, c_int, c_size_t, c_void_p, c_void_p)),
    "xenforeignmemory_unmap": (c_int, (c_void_p, c_void_p, c_size_t)),
}


class Mapping:
    """A way to one domain's memory; see `ForeignMemory.mapping`."""

    def __init__(self, library: Library, handle: int, domid: int) -> None:
        self._library = library
        self._handle = handle
        self._domid = domid

    def read(self, frames: Sequence[int]) -> tuple[bytes, frozenset[int]]:
        """The contents of frames, one behind the other; and those that are no longer there: zeros.

        Raises:
            HostProblem: none of them can be had at all.
        """
        number = len(frames)
        wanted = (c_uint64 * number)(*frames)
        errors = (c_int * number)()
        handle, domid = self._handle, self._domid
        address: int | None = self._library.xenforeignmemory_map(
            handle, domid, _PROT_READ, number, wanted, errors
        )
        if not address:
            raise HostProblem("its memory cannot be mapped", where=f"domain {domid}")
        try:
            if not any(errors):
                return ctypes.string_at(address, number * PAGE), frozenset()
            # A frame without memory behind it must not be touched: the kernel would end us.
            pages = [
                bytes(PAGE) if error else ctypes.string_at(address + at * PAGE, PAGE)
                for at, error in enumerate(errors)
            ]
            gone = (frame for frame, error in zip(frames, errors, strict=True) if error)
            return b"".join(pages), frozenset(gone)
        finally:
            self._library.xenforeignmemory_unmap(handle, address, number)


class ForeignMemory(Calls):
    """Reading another domain's memory. Frames are numbered as a PVH or HVM guest numbers them."""

    def frames(self, domid: int) -> list[int]:
        """The numbers of all frames that a PVH or HVM domain has, in order.

        Raises:
            DomainNotFound: it has gone.
            HostProblem: Xen does not tell.
        """
        there: list[int] = []
        highest = c_uint64()
        with self._libxenctrl() as interface:
            if self._library.xc_domain_maximum_gpfn(interface, domid, byref(highest)):
                raise self._refused(domid, "how far its memory goes")
            for first in range(0, highest.value + 1, _TOLD_AT_ONCE):
                number = min(_TOLD_AT_ONCE, highest.value + 1 - first)
                asked = (c_uint64 * number)(*range(first, first + number))
                if self._library.xc_get_pfn_type_batch(interface, domid, number, asked):
                    raise self._refused(domid, "which frames it has")
                there += [first + at for at in range(number) if asked[at] & _TYPE_MASK not in _ABSENT]
        return there

    @contextmanager
    def mapping(self, domid: int) -> Iterator[Mapping]:
        """Frames of a domain in our own memory, while the block lasts.

        Raises:
            HostProblem: no kernel of a domain 0 is under us, or we are not root.
        """
        handle: int | None = self._library.xenforeignmemory_open(None, 0)
        if not handle:
            raise HostProblem(
                "memory of other domains cannot be mapped: /dev/xen/privcmd is not to be opened"
            )
        try:
            yield Mapping(self._library, handle, domid)
        finally:
            self._library.xenforeignmemory_close(handle)

    def vcpu_contexts(self, domid: int, number: int) -> list[bytes]:
        """The registers of a domain's VCPUs (vcpu_guest_context_t); those never brought up have none."""
        found = []
        room = ctypes.create_string_buffer(2 * CONTEXT_BYTES)
        with self._libxenctrl() as interface:
            for vcpu in range(number):
                if not self._library.xc_vcpu_getcontext(interface, domid, vcpu, room):
                    found.append(room.raw[:CONTEXT_BYTES])
        return found

    def xenver(self, what: int, size: int = 0) -> tuple[int, bytes]:
        """What the hypervisor says of itself (public/version.h, XENVER_*): a number, and `size` bytes."""
        room = ctypes.create_string_buffer(max(size, 1))
        with self._libxenctrl() as interface:
            number: int = self._library.xc_version(interface, what, room if size else None)
        if number < 0:
            raise HostProblem("Xen does not tell its version")
        return number, room.raw[:size]

    def _refused(self, domid: int, what: str) -> Exception:
        with self._contexts.lease() as context:
            if not context.has_domain(domid):
                return DomainNotFound(f"Domain '{domid}' does not exist.")
        return HostProblem(f"Xen does not tell {what}", where=f"domain {domid}")
