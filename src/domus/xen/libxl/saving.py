"""Domains into files and streams, and out of them; core dumps; and what keeps a dead domain aside.

The signatures are the same in Xen 4.17 to 4.20 (libxl.h; LIBXL_API_VERSION only adds inline wrappers for
older callers, which a dynamic caller never meets).
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_void_p
from typing import Final

from domus.model.errors import HostProblem
from domus.xen.libxl import abi
from domus.xen.libxl.abi import CTX, DOMID, HOW, STRUCT, TEXT, AsyncopHow, Prototypes
from domus.xen.libxl.calls import Calls, Document
from domus.xen.libxl.context import Abort


class Uuid(ctypes.Structure):
    """libxl_uuid of libxl_uuid.h: 16 bytes, passed by value."""

    _fields_ = (("bytes", ctypes.c_uint8 * 16),)


PROTOTYPES: Final[Prototypes] = {
    "libxl_domain_suspend": (c_int, (CTX, DOMID, c_int, c_int, POINTER(AsyncopHow))),
    "libxl_domain_remus_start": (c_int, (CTX, STRUCT, DOMID, c_int, c_int, POINTER(AsyncopHow))),
    "libxl_domain_remus_info_init": (None, (STRUCT,)),
    "libxl_domain_remus_info_dispose": (None, (STRUCT,)),
    "libxl_domain_remus_info_from_json": (c_int, (CTX, STRUCT, c_char_p)),
    "libxl_domain_resume": (c_int, (CTX, DOMID, c_int, HOW)),
    "libxl_domain_restore_params_init": (None, (STRUCT,)),
    "libxl_domain_restore_params_dispose": (None, (STRUCT,)),
    "libxl_domain_restore_params_from_json": (c_int, (CTX, STRUCT, c_char_p)),
    "libxl_domain_restore_params_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_domain_create_restore": (
        c_int,
        (CTX, STRUCT, POINTER(DOMID), c_int, c_int, STRUCT, POINTER(AsyncopHow), c_void_p),
    ),
    "libxl_domain_core_dump": (c_int, (CTX, DOMID, c_char_p, HOW)),
    "libxl_domain_soft_reset": (c_int, (CTX, STRUCT, DOMID, HOW, c_void_p)),
    "libxl_domain_create_info_init": (None, (STRUCT,)),
    "libxl_domain_create_info_dispose": (None, (STRUCT,)),
    "libxl_domain_create_info_from_json": (c_int, (CTX, STRUCT, c_char_p)),
    "libxl_domain_preserve": (c_int, (CTX, DOMID, STRUCT, c_char_p, Uuid)),
    # libxenctrl, which libxl stands on (xenctrl.h); nothing in libxl changes a domain's handle
    "xc_domain_sethandle": (c_int, (c_void_p, DOMID, c_char_p)),
}

#: the stream that every Xen since 4.6 writes (xl.h, XL_MANDATORY_FLAG_STREAMv2)
_STREAM: Final = {"stream_version": 2}

#: libxl_types.idl, libxl_checkpointed_stream
_REMUS: Final = {"checkpointed_stream": 1}

#: libxl.h, LIBXL_SUSPEND_LIVE: the domain runs while its memory is written, in rounds
_LIVE: Final = 2


class Saving(Calls):
    """Memory to disk and back."""

    def save(self, domid: int, fd: int, abort: Abort, *, live: bool = False) -> None:
        """Write a domain's memory and state to `fd`; the domain has suspended itself on return.

        Whoever calls takes it away then, or lets it go on with `resume`: also after an error, when it may
        have suspended itself, or not.

        Args:
            live: it runs on until all but the last changes of its memory are written. How many rounds that
                takes is libxl's to say (libxl_dom_save.c: 5 at the most, fewer below 50 changed pages).

        Raises:
            LibxlError: the guest did not suspend itself within 60 s, or the file cannot be written.
            Cancelled: by `abort`.
        """
        with self._contexts.lease() as context:
            arguments = (domid, fd, _LIVE if live else 0, byref(abort.how))
            context.call_abortably("libxl_domain_suspend", *arguments, abort=abort, domid=domid)

    def replicate(self, domid: int, fd: int, info: Document, abort: Abort) -> None:
        """Write a domain's memory to `fd`, then what changes of it, for as long as that is taken (Remus).

        The domain is suspended for each checkpoint. When this ends it may be, and be let go on by `resume`.

        Args:
            info: libxl_domain_remus_info.

        Raises:
            LibxlError: nobody takes it any more, the guest does not suspend itself, or it has ended.
            Cancelled: by `abort`.
        """
        with self._contexts.lease() as context, self._filled(context, "libxl_domain_remus_info", info) as how:
            arguments = (how, domid, fd, -1, byref(abort.how))
            context.call_abortably("libxl_domain_remus_start", *arguments, abort=abort, domid=domid)

    def resume(self, domid: int) -> None:
        """Let a domain go on that has suspended itself for `save`.

        The guest must know of cancelled suspends, as Linux does since 2.6.29: it goes on as if nothing
        had been (libxl.h, suspend_cancel).
        """
        self._do("libxl_domain_resume", domid, 1, None)

    def restore(self, document: Document, fd: int, abort: Abort, *, checkpoints: bool = False) -> int:
        """Build a domain from what `save` wrote, and leave it paused; returns its domid.

        Args:
            document: libxl_domain_config; its devices must be those that it was saved with.
            fd: at the beginning of libxl's stream.
            checkpoints: it is `replicate` that writes: the last whole checkpoint counts when the stream ends.

        Raises:
            LibxlError: the stream is damaged, or of another kind of machine; nothing is left of the domain.
            Cancelled: by `abort`.
        """
        domid = ctypes.c_uint32(abi.INVALID_DOMID)
        how = _STREAM | _REMUS if checkpoints else _STREAM
        with (
            self._contexts.lease() as context,
            self._config(context, document) as config,
            self._filled(context, "libxl_domain_restore_params", how) as params,
        ):
            arguments = (config, byref(domid), fd, -1, params, byref(abort.how), None)
            context.call_abortably("libxl_domain_create_restore", *arguments, abort=abort)
        return domid.value

    def core_dump(self, domid: int, path: str) -> None:
        """Write a domain's memory as an ELF core file; it may run meanwhile, or be dead.

        Raises:
            LibxlError: the file cannot be written.
        """
        self._do("libxl_domain_core_dump", domid, path.encode(), None)

    def soft_reset(self, domid: int, document: Document) -> None:
        """Give an HVM domain that has ended for a soft reset new devices, and leave it paused (kexec).

        Raises:
            LibxlError: it is not HVM, or libxl could not; the domain may be gone then.
        """
        with self._contexts.lease() as context, self._config(context, document) as config:
            context.call("libxl_domain_soft_reset", config, domid, None, None, domid=domid)

    def preserve(self, domid: int, name: str, suffix: str, uuid: bytes) -> None:
        """Keep a dead domain aside as `name` + `suffix`, with a /vm entry of its own for `uuid`.

        Xen itself goes on to know it by its old uuid: see `set_handle`.
        """
        info = {"name": name, "type": "pv"}  # only its name is looked at (libxl_domain.c)
        with (
            self._contexts.lease() as context,
            self._filled(context, "libxl_domain_create_info", info) as create_info,
        ):
            new = Uuid((ctypes.c_uint8 * 16)(*uuid))
            context.call("libxl_domain_preserve", domid, create_info, suffix.encode(), new, domid=domid)

    def set_handle(self, domid: int, uuid: bytes) -> None:
        """Let Xen know a domain by this uuid; libxl's files about it are named by the old one.

        Raises:
            HostProblem: Xen refused.
        """
        with self._libxenctrl() as interface:
            if self._library.xc_domain_sethandle(interface, domid, uuid):
                raise HostProblem("Xen refused another uuid", where=f"domain {domid}")
