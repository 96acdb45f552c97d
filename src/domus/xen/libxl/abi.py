"""libxl's C interface as ctypes sees it: where the libraries are, what their functions take.

No layout of a libxl struct is known here: they change with every release. A struct is a buffer that
libxl itself fills, prints as JSON and disposes of. All functions below exist, with these parameters,
from Xen 4.17 on (compared: libxl.h, libxl_event.h, libxl_utils.h and xentoollog.h of 4.17 and 4.20).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_char, c_char_p, c_int, c_int64, c_uint, c_uint32, c_uint64, c_void_p
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


_ctx, _struct, _text, _domid = c_void_p, c_void_p, c_void_p, c_uint32
_how = c_void_p  # libxl_asyncop_how *; NULL: wait until it is done

#: result and parameters by name; text that we must free is a plain pointer, text of libxl's own is c_char_p
PROTOTYPES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    # contexts (libxl.h, libxl_event.h)
    "libxl_ctx_alloc": (c_int, (POINTER(_ctx), c_int, c_uint, c_void_p)),
    "libxl_ctx_free": (c_int, (_ctx,)),
    "libxl_childproc_setmode": (None, (_ctx, POINTER(ChildprocHooks), c_void_p)),
    # structs and enums (_libxl_types.h, libxl_utils.h)
    "libxl_domain_config_init": (None, (_struct,)),
    "libxl_domain_config_dispose": (None, (_struct,)),
    "libxl_domain_config_from_json": (c_int, (_ctx, _struct, c_char_p)),
    "libxl_domain_config_to_json": (_text, (_ctx, _struct)),
    "libxl_dominfo_init": (None, (_struct,)),
    "libxl_dominfo_dispose": (None, (_struct,)),
    "libxl_dominfo_to_json": (_text, (_ctx, _struct)),
    "libxl_dominfo_list_free": (None, (_struct, c_int)),
    "libxl_physinfo_init": (None, (_struct,)),
    "libxl_physinfo_dispose": (None, (_struct,)),
    "libxl_physinfo_to_json": (_text, (_ctx, _struct)),
    "libxl_version_info_to_json": (_text, (_ctx, _struct)),
    "libxl_bitmap_init": (None, (_struct,)),
    "libxl_bitmap_dispose": (None, (_struct,)),
    "libxl_bitmap_count_set": (c_int, (_struct,)),
    "libxl_error_to_string": (c_char_p, (c_int,)),
    "libxl_scheduler_to_string": (c_char_p, (c_int,)),
    "libxl_trigger_from_string": (c_int, (c_char_p, POINTER(c_int))),
    # the host
    "libxl_get_version_info": (_struct, (_ctx,)),
    "libxl_get_physinfo": (c_int, (_ctx, _struct)),
    "libxl_get_scheduler": (c_int, (_ctx,)),
    "libxl_get_freecpus": (c_int, (_ctx, _struct)),
    "libxl_get_free_memory": (c_int, (_ctx, POINTER(c_uint64))),
    "libxl_cpupoolid_to_name": (_text, (_ctx, c_uint32)),
    "libxl_send_debug_keys": (c_int, (_ctx, c_char_p)),
    "libxl_xen_console_read_start": (c_void_p, (_ctx, c_int)),
    "libxl_xen_console_read_line": (c_int, (_ctx, c_void_p, POINTER(c_char_p))),
    "libxl_xen_console_read_finish": (None, (_ctx, c_void_p)),
    # domains
    "libxl_list_domain": (_struct, (_ctx, POINTER(c_int))),
    "libxl_domain_info": (c_int, (_ctx, _struct, _domid)),
    "libxl_domid_to_name": (_text, (_ctx, _domid)),
    "libxl_domain_need_memory": (c_int, (_ctx, _struct, _domid, POINTER(c_uint64))),
    "libxl_domain_create_new": (c_int, (_ctx, _struct, POINTER(_domid), _how, c_void_p)),
    "libxl_retrieve_domain_configuration": (c_int, (_ctx, _domid, _struct, _how)),
    "libxl_domain_pause": (c_int, (_ctx, _domid, _how)),
    "libxl_domain_unpause": (c_int, (_ctx, _domid, _how)),
    "libxl_domain_shutdown": (c_int, (_ctx, _domid, _how)),
    "libxl_domain_reboot": (c_int, (_ctx, _domid, _how)),
    "libxl_domain_destroy": (c_int, (_ctx, _domid, _how)),
    "libxl_domain_rename": (c_int, (_ctx, _domid, c_char_p, c_char_p)),
    "libxl_set_memory_target": (c_int, (_ctx, _domid, c_int64, c_int, c_int)),
    "libxl_get_memory_target": (c_int, (_ctx, _domid, POINTER(c_uint64))),
    "libxl_primary_console_get_tty": (c_int, (_ctx, _domid, POINTER(_text))),
    "libxl_send_trigger": (c_int, (_ctx, _domid, c_int, c_uint32, _how)),
    "libxl_send_sysrq": (c_int, (_ctx, _domid, c_char)),
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
    """

    def __init__(self, handles: Sequence[ctypes.CDLL]) -> None:
        for name, (result, parameters) in PROTOTYPES.items():
            function = next(getattr(handle, name) for handle in handles if hasattr(handle, name))
            function.restype, function.argtypes = result, parameters
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name} is not declared in PROTOTYPES")

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


def load() -> Library:
    """The libxl of the running Xen.

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
        return Library((libxl, toollog, ctypes.CDLL(None)))
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
