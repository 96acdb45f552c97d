"""Domains as they are: what Xen and libxl know of each."""

from __future__ import annotations

import ctypes
import threading
from ctypes import POINTER, byref, c_int
from typing import Final

from domus.model.errors import DomainNotFound, LibxlError
from domus.xen.libxl.abi import CTX, DOMID, HOW, STRUCT, TEXT, Library, Prototypes
from domus.xen.libxl.calls import Calls, Document
from domus.xen.libxl.records import Key, Records, domid_of, key_of

_CONSOLE_PV: Final = 2  # libxl_types.idl, libxl_console_type

PROTOTYPES: Final[Prototypes] = {
    "libxl_dominfo_init": (None, (STRUCT,)),
    "libxl_dominfo_dispose": (None, (STRUCT,)),
    "libxl_dominfo_to_json": (TEXT, (CTX, STRUCT)),
    "libxl_dominfo_list_free": (None, (STRUCT, c_int)),
    "libxl_list_domain": (STRUCT, (CTX, POINTER(c_int))),
    "libxl_domain_info": (c_int, (CTX, STRUCT, DOMID)),
    "libxl_domid_to_name": (TEXT, (CTX, DOMID)),
    "libxl_retrieve_domain_configuration": (c_int, (CTX, DOMID, STRUCT, HOW)),
    "libxl_primary_console_get_tty": (c_int, (CTX, DOMID, POINTER(TEXT))),
    "libxl_console_get_tty": (c_int, (CTX, DOMID, c_int, c_int, POINTER(TEXT))),
}


class DomainReads(Calls):
    """Reading, without changing anything."""

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self._unchanged: dict[bytes, Document] = {}  # by the struct that it was printed from
        self._records = Records(library)
        self._listing = threading.Lock()
        #: how many the last list had, and those of them that Xen's records tell: a document and its record
        self._had = 0
        self._remembered: dict[Key, tuple[Document, bytes]] = {}

    def list_domains(self) -> list[Document]:
        """libxl_dominfo of each domain, in order of domid, domain 0 included.

        A domain of which nothing at all has changed since the last call has the same document, the very same
        object: not to be changed.
        """
        with self._listing:
            then = self._records.split(self._records.read(self._had))
            found = self._refreshed(then) or {key_of(each): each for each in self._all()}
            documents = [*found.values()]
            self._had = len(documents)
            after = self._records.read(self._had)
            self._records.learn(after, documents)
            # What changed between the two may have changed before or after libxl was asked.
            self._remembered = {
                key: (found[key], record)
                for key, record in self._records.split(after).items()
                if then.get(key) == record and key in found
            }
            return documents

    def _refreshed(self, records: dict[Key, bytes]) -> dict[Key, Document] | None:
        """Domains of which Xen says what it said the last time, as they were; libxl says of the others.

        None: libxl is to be asked for all.
        """
        found: dict[Key, Document] = {}
        asked = 0
        for key, record in records.items():
            document, known = self._remembered.get(key, (None, b""))
            if document is None or known != record:
                asked += 1
                document = self.domain_info(domid_of(key))
                if asked > max(len(records) // 2, 1) or document is None or key_of(document) != key:
                    return None
            found[key] = document
        return found

    def _all(self) -> list[Document]:
        number = ctypes.c_int()
        with self._contexts.lease() as context:
            first = context.get("libxl_list_domain", byref(number))
            try:
                places = self._places("libxl_dominfo", first, number.value)
                documents = []
                for place in places:
                    struct = ctypes.string_at(place, places.step)
                    document = self._unchanged.get(struct)
                    documents.append((struct, document or self._printed(context, "libxl_dominfo", place)))
            finally:
                self._library.libxl_dominfo_list_free(first, number)
        # A label is behind a pointer: of a struct that has one the bytes do not say all.
        self._unchanged = {
            struct: document for struct, document in documents if document["ssid_label"] is None
        }
        return [document for _, document in documents]

    def domain_info(self, domid: int) -> Document | None:
        """libxl_dominfo of one domain; None when there is none of that id."""
        try:
            with self._contexts.lease() as context, self._struct("libxl_dominfo") as info:
                context.call("libxl_domain_info", info, domid, domid=domid)
                return self._printed(context, "libxl_dominfo", info)
        except DomainNotFound:
            return None

    def domain_type(self, domid: int) -> str:
        """How the domain is virtualized, as Xen sees it: "pv", or "hvm" for PVH guests too.

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

    def console_tty(self, domid: int, *, paravirtual: bool = False) -> str:
        """Path of the pseudo terminal in domain 0 on which the domain's console is.

        Args:
            paravirtual: the one that Xen gives to every guest; else the first that libxl thinks of, which
                of an HVM guest is its emulated serial port.
        """
        path = ctypes.c_void_p()
        with self._contexts.lease() as context:
            if paravirtual:
                context.call("libxl_console_get_tty", domid, 0, _CONSOLE_PV, byref(path), domid=domid)
            else:
                context.call("libxl_primary_console_get_tty", domid, byref(path), domid=domid)
            tty = self._library.owned_text(path.value)
        if not tty:
            raise LibxlError("the domain has no console yet", where=f"domain {domid}")
        return tty
