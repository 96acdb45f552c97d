"""What Xen says of all domains, as bytes: enough to tell which of them have changed.

libxl asks Xen for the security label of each domain that it lists, which costs more than all the rest: of
18 ms for 60 domains Xen's list itself takes 1.4 (measured, 4.20). So libxl is asked for those of which Xen
says anything else than before. What records mean is left to it: their layout is another one in each Xen.

Source: xen/include/public/domctl.h (xen_domctl_getdomaininfo); xenctrl.h (xc_domain_getinfolist).
"""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Sequence
from ctypes import c_int, c_uint, c_uint32, c_void_p
from functools import lru_cache
from typing import Final, NamedTuple

from domus.model.errors import HostProblem
from domus.xen.libxl.abi import STRUCT, Library, Prototypes
from domus.xen.libxl.calls import Document

PROTOTYPES: Final[Prototypes] = {
    "xc_domain_getinfolist": (c_int, (c_void_p, c_uint32, c_uint, STRUCT)),
}

#: bytes of a record at the most: some 150 in Xen 4.20
_ROOM: Final = 1024

#: domains that may have come since the last time
_MORE: Final = 16

#: bytes of a uuid
_UUID: Final = 16


class Snapshot(NamedTuple):
    """The records of one moment."""

    number: int
    records: bytes


class Records:
    """Reads them. For one thread at a time."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._interface: int | None = None
        self._length = 0  #: of a record; 0: not known yet
        self._handle = 0  #: where in a record the domain's uuid is

    def read(self, expected: int) -> Snapshot:
        """The records of all domains, in order of domid; none when there are many more than expected."""
        most = expected + _MORE
        buffer = ctypes.create_string_buffer(most * _ROOM)
        found = self._library.xc_domain_getinfolist(self._opened(), 0, most, buffer)
        return Snapshot(found, buffer.raw) if found < most else Snapshot(0, b"")

    def split(self, snapshot: Snapshot, documents: Sequence[Document]) -> list[bytes] | None:
        """The record of each of these domains; None: there are others, or it cannot be told.

        Args:
            documents: libxl's, in order of domid.
        """
        uuids = [_uuid_bytes(document["uuid"]) for document in documents]
        if snapshot.number != len(uuids) or not (self._length or self._measure(snapshot, uuids)):
            return None
        step = self._length
        pieces = [snapshot.records[step * place : step * (place + 1)] for place in range(len(uuids))]
        told = [piece[self._handle : self._handle + _UUID] for piece in pieces]
        return pieces if told == uuids else None

    def close(self) -> None:
        """Let go of Xen."""
        if self._interface is not None:
            self._library.xc_interface_close(self._interface)
            self._interface = None

    def _opened(self) -> int:
        if self._interface is None:
            self._interface = self._library.xc_interface_open(None, None, 0)
            if not self._interface:
                raise HostProblem("libxenctrl cannot talk to Xen")
        return self._interface

    def _measure(self, snapshot: Snapshot, uuids: Sequence[bytes]) -> bool:
        """Find the length of a record from where the uuids of two domains are; domain 0's is all zeros."""
        if len(uuids) < 3:
            return False
        first, second = (snapshot.records.find(each) for each in uuids[1:3])
        length, handle = second - first, 2 * first - second
        if first < 0 or not 0 <= handle < length <= _ROOM:
            return False
        self._length, self._handle = length, handle
        return True


@lru_cache(maxsize=4096)
def _uuid_bytes(text: str) -> bytes:
    """As it is in a record. Parsing the same ones again takes longer than all the comparing."""
    return uuid.UUID(text).bytes
