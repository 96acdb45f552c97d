"""libxl's C interface as ctypes sees it: where the libraries are, what their functions take.

No layout of a libxl struct is known here: they change with every release. A struct is a buffer that
libxl itself fills, prints as JSON and disposes of. All functions below exist, with these parameters,
from Xen 4.17 on (compared: libxl.h, libxl_event.h, libxl_utils.h and xentoollog.h of 4.17 and 4.20).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_uint, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Final

from domus.model.errors import HostProblem

#: Xen versions whose libxl is looked for, the newest first; the soname changes with each
VERSIONS: Final = ("4.22", "4.21", "4.20", "4.19", "4.18", "4.17")

#: bytes that hold any libxl struct; the largest, libxl_domain_config, has 1400 (Xen 4.23-unstable, amd64)
STRUCT_ROOM: Final = 64 * 1024

INVALID_DOMID: Final = 0xFFFFFFFF  # libxl.h, INVALID_DOMID

# _libxl_types.h, enum libxl_error: the two that are no failure of the host's.
ERROR_DOMAIN_NOTFOUND: Final = -21
ERROR_ABORTED: Final = -22

# xentoollog.h, enum xentoollog_level and the flags of its logger for streams
XTL_DEBUG: Final = 1
XTL_INFO: Final = 5
XTL_STDIOSTREAM_HIDE_PROGRESS: Final = 0o4

# libxl_event.h, enum libxl_sigchld_owner: libxl owns SIGCHLD and reaps its own children, each by its
# pid; we reap ours by theirs. The only owner with which there may be several contexts.
SIGCHLD_SELECTIVE_REAP: Final = 3


class ChildprocHooks(ctypes.Structure):
    """libxl_childproc_hooks of libxl_event.h; it is public and has not changed since Xen 4.5."""

    _fields_ = (("chldowner", c_int), ("fork_replacement", c_void_p), ("reaped_callback", c_void_p))


class AsyncopHow(ctypes.Structure):
    """libxl_asyncop_how of libxl.h with its callback NULL: an event with this number tells the end."""

    _fields_ = (("callback", c_void_p), ("for_event", c_uint64))


# Words for parameters, so that a prototype reads like the header's.
CTX: Final = c_void_p  #: libxl_ctx *
STRUCT: Final = c_void_p  #: a libxl struct, by its address
TEXT: Final = c_void_p  #: char * that we must free; libxl's own text is c_char_p
DOMID: Final = c_uint32
HOW: Final = c_void_p  #: libxl_asyncop_how *; NULL: wait until it is done

#: result and parameters by a function's name
Prototypes = dict[str, tuple[Any, tuple[Any, ...]]]

#: what every area needs; each area has a table of its own beside its calls
PROTOTYPES: Final[Prototypes] = {
    # contexts (libxl.h, libxl_event.h)
    "libxl_ctx_alloc": (c_int, (POINTER(CTX), c_int, c_uint, c_void_p)),
    "libxl_ctx_free": (c_int, (CTX,)),
    "libxl_childproc_setmode": (None, (CTX, POINTER(ChildprocHooks), c_void_p)),
    "libxl_error_to_string": (c_char_p, (c_int,)),
    # operations that can be aborted (libxl.h, libxl_event.h)
    "libxl_ao_abort": (c_int, (CTX, POINTER(AsyncopHow))),
    "libxl_event_wait": (c_int, (CTX, POINTER(c_void_p), c_uint64, c_void_p, c_void_p)),
    "libxl_event_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_event_free": (None, (CTX, STRUCT)),
    # libxenctrl, which libxl stands on (xenctrl.h)
    "xc_interface_open": (c_void_p, (c_void_p, c_void_p, c_uint)),
    "xc_interface_close": (c_int, (c_void_p,)),
    # libxentoollog
    "xtl_createlogger_stdiostream": (c_void_p, (c_void_p, c_int, c_uint)),
    "xtl_logger_destroy": (None, (c_void_p,)),
    # the C library
    "fdopen": (c_void_p, (c_int, c_char_p)),
    "fclose": (c_int, (c_void_p,)),
    "free": (None, (c_void_p,)),
}


class Library:
    """libxl and what it stands on, with their functions declared; they release the GIL while they run.

    Args:
        handles: where a function is looked for, in this order.
        prototypes: the functions; one that is in none of them is missed only when it is called.
    """

    def __init__(self, handles: Sequence[ctypes.CDLL], prototypes: Prototypes) -> None:
        self._prototypes = prototypes
        for name, (result, parameters) in prototypes.items():
            function = next((getattr(handle, name) for handle in handles if hasattr(handle, name)), None)
            if function is not None:
                function.restype, function.argtypes = result, parameters
                setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        if name in self._prototypes:
            raise HostProblem(f"the libxl of this host's Xen has no {name}")
        raise AttributeError(f"{name} is not declared in any table of prototypes")

    def owned_text(self, pointer: int | None) -> str | None:
        """Text that libxl made for us: copied and freed. None for a null pointer."""
        if not pointer:
            return None
        try:
            return ctypes.string_at(pointer).decode("utf-8", errors="replace")
        finally:
            self.free(pointer)

    def struct_size(self, struct: str) -> int:
        """sizeof a libxl struct, measured: its init function clears all of it, and not a byte more.

        Source: `memset(p, '\\0', sizeof(*p))`, which tools/libs/light/gentypes.py writes into each.
        """
        buffer = ctypes.create_string_buffer(STRUCT_ROOM)
        sizes = set()
        for mark in (b"\xa5", b"\x5a"):
            ctypes.memset(buffer, mark[0], STRUCT_ROOM)
            getattr(self, f"{struct}_init")(buffer)
            sizes.add(len(buffer.raw.rstrip(mark)))
        return max(sizes)


def load(prototypes: Prototypes) -> Library:
    """The libxl of the running Xen, with these functions.

    Raises:
        HostProblem: this host does not run Xen, or has no libxl that fits it.
    """
    running = running_version()
    if running is None:
        raise HostProblem(
            "this host does not run Xen",
            hint="boot it with Xen, or choose another host with --host; `xm lab up` starts one to try",
        )
    # A libxl of another version than the hypervisor's is refused by it: the right one first.
    for version in (running, *(other for other in VERSIONS if other != running)):
        try:
            libxl = ctypes.CDLL(f"libxenlight.so.{version}")
            toollog = ctypes.CDLL("libxentoollog.so.1")
        except OSError:
            continue
        return Library((libxl, toollog, ctypes.CDLL(None)), prototypes)
    raise HostProblem(
        f"libxl of Xen {running} is not installed",
        hint="install the Xen tools of the running version, such as Debian's xen-utils",
    )


def running_version() -> str | None:
    """Version of the Xen under us, such as "4.20"; None when there is none.

    Source: Linux Documentation/ABI/testing/sysfs-hypervisor-xen.
    """
    folder = Path("/sys/hypervisor")
    try:
        if (folder / "type").read_text().strip() != "xen":
            return None
        major = (folder / "version/major").read_text().strip()
        return f"{major}.{(folder / 'version/minor').read_text().strip()}"
    except OSError:
        return None
