"""What happens to domains: built, paused, ended, asked."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int64, c_uint32, c_uint64, c_void_p
from typing import Final

from domus.model.errors import BadInput, DomainNotFound
from domus.xen.libxl import abi
from domus.xen.libxl.abi import CTX, DOMID, HOW, STRUCT, TEXT, Prototypes
from domus.xen.libxl.calls import Calls, Document

PROTOTYPES: Final[Prototypes] = {
    "libxl_domain_config_init": (None, (STRUCT,)),
    "libxl_domain_config_dispose": (None, (STRUCT,)),
    "libxl_domain_config_from_json": (c_int, (CTX, STRUCT, c_char_p)),
    "libxl_domain_config_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_trigger_from_string": (c_int, (c_char_p, POINTER(c_int))),
    "libxl_domain_need_memory": (c_int, (CTX, STRUCT, DOMID, POINTER(c_uint64))),
    "libxl_domain_create_new": (c_int, (CTX, STRUCT, POINTER(DOMID), HOW, c_void_p)),
    "libxl_domain_pause": (c_int, (CTX, DOMID, HOW)),
    "libxl_domain_unpause": (c_int, (CTX, DOMID, HOW)),
    "libxl_domain_shutdown": (c_int, (CTX, DOMID, HOW)),
    "libxl_domain_reboot": (c_int, (CTX, DOMID, HOW)),
    "libxl_domain_destroy": (c_int, (CTX, DOMID, HOW)),
    "libxl_domain_rename": (c_int, (CTX, DOMID, c_char_p, c_char_p)),
    "libxl_set_memory_target": (c_int, (CTX, DOMID, c_int64, c_int, c_int)),
    "libxl_get_memory_target": (c_int, (CTX, DOMID, POINTER(c_uint64))),
    "libxl_send_trigger": (c_int, (CTX, DOMID, c_int, c_uint32, HOW)),
    "libxl_send_sysrq": (c_int, (CTX, DOMID, c_char)),
    "libxl_qemu_monitor_command": (c_int, (CTX, DOMID, c_char_p, POINTER(TEXT), HOW)),
}


class Lifecycle(Calls):
    """Changing domains."""

    def check_config(self, document: Document) -> Document:
        """What libxl understood of a configuration: keys and values that it drops are not in it.

        Raises:
            LibxlError: it does not understand it at all.
        """
        with self._contexts.lease() as context, self._config(context, document) as config:
            return self._printed(context, "libxl_domain_config", config)

    def need_memory_kib(self, document: Document) -> int:
        """KiB that must be free to build this domain."""
        need = ctypes.c_uint64()
        with self._contexts.lease() as context, self._config(context, document) as config:
            context.call("libxl_domain_need_memory", config, abi.INVALID_DOMID, byref(need))
        return need.value

    def create(self, document: Document) -> int:
        """Build a domain and leave it paused; returns its domid once it has its devices.

        Args:
            document: libxl_domain_config, as `domus.config.compile` writes it.

        Raises:
            LibxlError: it failed; libxl has taken the domain away again, unless its log says otherwise.
        """
        domid = ctypes.c_uint32(abi.INVALID_DOMID)
        with self._contexts.lease() as context, self._config(context, document) as config:
            context.call("libxl_domain_create_new", config, byref(domid), None, None)
        return domid.value

    def pause(self, domid: int) -> None:
        """Stop its VCPUs."""
        self._do("libxl_domain_pause", domid, None)

    def unpause(self, domid: int) -> None:
        """Let its VCPUs run."""
        self._do("libxl_domain_unpause", domid, None)

    def shutdown(self, domid: int) -> None:
        """Ask the guest to power off; returns when it has taken note of that.

        Raises:
            LibxlError: ERROR_TIMEDOUT when the guest did not in 60 s, as when it is paused or hangs
                (measured, 4.20); ERROR_NOPARAVIRT when an HVM guest has no drivers for this.
        """
        self._do("libxl_domain_shutdown", domid, None)

    def reboot(self, domid: int) -> None:
        """Ask the guest to reboot; otherwise as `shutdown`."""
        self._do("libxl_domain_reboot", domid, None)

    def destroy(self, domid: int) -> None:
        """Take the domain away, with its devices."""
        self._do("libxl_domain_destroy", domid, None)

    def rename(self, domid: int, new: str, *, old: str | None = None) -> None:
        """Give it another name.

        Args:
            old: refuse unless this is its name now.
        """
        self._do("libxl_domain_rename", domid, None if old is None else old.encode(), new.encode())

    def set_memory_target(self, domid: int, kib: int) -> None:
        """Ask the guest's balloon driver to reach `kib`, and let it have no more; returns at once."""
        self._do("libxl_set_memory_target", domid, kib, 0, 1)

    def memory_target_kib(self, domid: int) -> int:
        """KiB that the guest's balloon driver was asked to reach."""
        return self._number("libxl_get_memory_target", domid)

    def send_trigger(self, domid: int, trigger: str, vcpu: int = 0) -> None:
        """Press a button of an HVM guest: "power", "sleep", "nmi", "init", "reset", "s3resume".

        Raises:
            BadInput: there is no such trigger.
        """
        number = ctypes.c_int()
        if self._library.libxl_trigger_from_string(trigger.encode(), byref(number)):
            raise BadInput(
                f"invalid trigger {trigger[:40]!r}", hint="power, sleep, nmi, init, reset or s3resume"
            )
        self._do("libxl_send_trigger", domid, number, vcpu, None)

    def monitor(self, domid: int, command: str) -> str:
        """Have QEMU's monitor carry a command out; returns what it prints, line by line ended by CR and LF.

        Raises:
            LibxlError: the domain has no QEMU, or it does not answer within libxl's 10 s.
        """
        output = TEXT()
        with self._contexts.lease() as context:
            arguments = (domid, command.encode(), byref(output), None)
            context.call("libxl_qemu_monitor_command", *arguments, domid=domid)
        return self._library.owned_text(output.value) or ""

    def send_sysrq(self, domid: int, key: str) -> None:
        """Press a magic SysRq key of a Linux guest.

        Raises:
            BadInput: it is not one ASCII character.
        """
        if len(key) != 1 or not key.isascii():
            raise BadInput(f"invalid SysRq key {key[:40]!r}", hint="one letter or digit")
        with self._contexts.lease() as context:
            # libxl writes the key into XenStore without looking, and leaves a dead domain's node behind.
            if not context.has_domain(domid):
                raise DomainNotFound(f"Domain '{domid}' does not exist.")
            context.call("libxl_send_sysrq", domid, key.encode(), domid=domid)
