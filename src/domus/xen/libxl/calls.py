"""How libxl is called: contexts, structs as JSON, error codes as exceptions. The areas build on this."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref
from typing import Any

import msgspec

from domus.model.errors import HostProblem
from domus.xen.libxl import abi
from domus.xen.libxl.context import Context, Contexts
from domus.xen.libxl.documents import INITIAL, check_lethal, mended

Document = dict[str, Any]


class Calls:
    """What every area of libxl's functions needs."""

    def __init__(self, library: abi.Library) -> None:
        self._library = library
        self._contexts = Contexts(library)
        self._sizes: dict[str, int] = {}

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
    def _libxenctrl(self) -> Iterator[int]:
        """The library that libxl stands on, for the few things that libxl has no function for."""
        interface: int | None = self._library.xc_interface_open(None, None, 0)
        if not interface:
            raise HostProblem("libxenctrl cannot talk to Xen")
        try:
            yield interface
        finally:
            self._library.xc_interface_close(interface)

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
    def _filled(
        self, context: Context, kind: str, document: Document
    ) -> Iterator[ctypes.Array[ctypes.c_char]]:
        """A libxl struct that says what `document` says. libxl drops keys that it does not know."""
        with self._struct(kind) as place:
            context.call(f"{kind}_from_json", place, msgspec.json.encode(document))
            yield place

    @contextmanager
    def _config(self, context: Context, document: Document) -> Iterator[ctypes.Array[ctypes.c_char]]:
        check_lethal(document)
        with self._filled(context, "libxl_domain_config", document) as config:
            yield config

    def _places(self, kind: str, first: int, number: int) -> range:
        """Where the structs of a list that libxl made are."""
        if kind not in self._sizes:
            self._sizes[kind] = self._library.struct_size(kind)
        return range(first, first + number * self._sizes[kind], self._sizes[kind])

    def _printed(self, context: Context, kind: str, place: Any) -> Document:
        """The struct at `place` as the document that libxl prints of it."""
        text = self._library.owned_text(context.get(f"{kind}_to_json", place))
        document: Document = mended(msgspec.json.decode(text or "{}"))
        return INITIAL.get(kind, {}) | document
