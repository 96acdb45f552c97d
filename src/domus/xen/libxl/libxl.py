"""The one door to libxl. Every method blocks: call it from a worker thread; any number may run at once."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref
from typing import Any, Self

import msgspec

from domus.model.errors import BadInput, DomainNotFound, LibxlError
from domus.xen.libxl import abi
from domus.xen.libxl.context import Context, Contexts
from domus.xen.libxl.documents import INITIAL, check_lethal, mended, whole_hw_cap

Document = dict[str, Any]


class Libxl:
    """Xen's toolstack library, by documents: what it knows comes as the JSON that it prints itself.

    libxl = Libxl.open()
    [domain["domid"] for domain in libxl.list_domains()]

    Errors are LibxlError, with the call, the error code and what libxl logged; DomainNotFound where a
    domid is not there (any more). Memory in KiB.

    libxl takes SIGCHLD for itself, and leaves children of others alone: nobody in this process may set
    a handler for it, and everybody waits for their children by pid (subprocess and asyncio do).
    """

    def __init__(self, library: abi.Library) -> None:
        self._library = library
        self._contexts = Contexts(library)
        self._dominfo_size = library.struct_size("libxl_dominfo")

    @classmethod
    def open(cls) -> Self:
        """The libxl of this host.

        Raises:
            HostProblem: this host does not run Xen, its tools are not installed, or we are not root.
        """
        return cls(abi.load())

    def close(self) -> None:
        """Let go of Xen; calls that still run are not disturbed. May be called twice."""
        self._contexts.close()

    # The host

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

    # Domains as they are

    def list_domains(self) -> list[Document]:
        """libxl_dominfo of each domain, in order of domid, domain 0 included; all of one moment."""
        number = ctypes.c_int()
        with self._contexts.lease() as context:
            first = context.get("libxl_list_domain", byref(number))
            try:
                places = range(first, first + number.value * self._dominfo_size, self._dominfo_size)
                return [self._printed(context, "libxl_dominfo", place) for place in places]
            finally:
                self._library.libxl_dominfo_list_free(first, number)

    def domain_info(self, domid: int) -> Document | None:
        """libxl_dominfo of one domain; None when there is none of that id."""
        try:
            with self._contexts.lease() as context, self._struct("libxl_dominfo") as info:
                context.call("libxl_domain_info", info, domid, domid=domid)
                return self._printed(context, "libxl_dominfo", info)
        except DomainNotFound:
            return None

    def domain_type(self, domid: int) -> str:
        """How the domain is virtualized: "pv", "pvh" or "hvm".

        Raises:
            DomainNotFound: there is no such domain.
        """
        info = self.domain_info(domid)
        if info is None:
            raise DomainNotFound(f"Domain '{domid}' does not exist.")
        return str(info["domain_type"])

    def domid_to_name(self, domid: int) -> str | None:
        """The domain's name, as XenStore has it; None when it has none."""
        with self._contexts.lease() as context:
            return self._library.owned_text(self._library.libxl_domid_to_name(context.pointer, domid))

    def retrieve_config(self, domid: int) -> Document:
        """The domain's configuration, as libxl keeps it and with the devices of this moment.

        Raises:
            LibxlError: it keeps none, as of domain 0.
        """
        with self._contexts.lease() as context, self._struct("libxl_domain_config") as config:
            context.call("libxl_retrieve_domain_configuration", domid, config, None, domid=domid)
            return self._printed(context, "libxl_domain_config", config)

    def console_tty(self, domid: int) -> str:
        """Path of the pseudo terminal in domain 0 on which the domain's console is."""
        path = ctypes.c_void_p()
        with self._contexts.lease() as context:
            context.call("libxl_primary_console_get_tty", domid, byref(path), domid=domid)
            tty = self._library.owned_text(path.value)
        if not tty:
            raise LibxlError("the domain has no console yet", where=f"domain {domid}")
        return tty

    # What happens to domains

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

    # How calls are made

    def _do(self, function: str, domid: int, *arguments: Any) -> None:
        with self._contexts.lease() as context:
            context.call(function, domid, *arguments, domid=domid)

    def _number(self, function: str, domid: int | None = None) -> int:
        number = ctypes.c_uint64()
        about = () if domid is None else (domid,)
        with self._contexts.lease() as context:
            context.call(function, *about, byref(number), domid=domid)
        return number.value

    @contextmanager
    def _struct(self, kind: str) -> Iterator[ctypes.Array[ctypes.c_char]]:
        """Room for a libxl struct, initialized; what libxl hangs into it is freed at the end."""
        buffer = ctypes.create_string_buffer(abi.STRUCT_ROOM)
        getattr(self._library, f"{kind}_init")(buffer)
        try:
            yield buffer
        finally:
            getattr(self._library, f"{kind}_dispose")(buffer)

    @contextmanager
    def _config(self, context: Context, document: Document) -> Iterator[ctypes.Array[ctypes.c_char]]:
        check_lethal(document)
        with self._struct("libxl_domain_config") as config:
            context.call("libxl_domain_config_from_json", config, msgspec.json.encode(document))
            yield config

    def _printed(self, context: Context, kind: str, place: Any) -> Document:
        """The struct at `place` as the document that libxl prints of it."""
        text = self._library.owned_text(context.get(f"{kind}_to_json", place))
        document: Document = mended(msgspec.json.decode(text or "{}"))
        return INITIAL.get(kind, {}) | document
