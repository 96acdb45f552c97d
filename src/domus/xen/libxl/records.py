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

#: bytes of a domid, with which a record begins (domid_t)
_DOMID: Final = 2

#: bytes of a uuid
_UUID: Final = 16


#: One boot of a domain: its domid and its uuid, as they are in a record; one that is dying may have the uuid
#: of the next. Plain bytes, for each list makes and compares hundreds of them.
Key = bytes


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

    def split(self, snapshot: Snapshot) -> dict[Key, bytes]:
        """The record of each domain, in order of domid; none until it is known how long one is."""
        step, begin, end = self._length, self._handle, self._handle + _UUID
        places = range(0, step * snapshot.number, step or 1)
        records = [snapshot.records[place : place + step] for place in places]
        return {record[:_DOMID] + record[begin:end]: record for record in records}

    def learn(self, snapshot: Snapshot, documents: Sequence[Document]) -> None:
        """Find out how long a record is, and where its uuid is, from two guests'; domain 0's is all zeros.

        Args:
            documents: libxl's, in order of domid, of about the same moment.
        """
        if self._length or len(documents) < 3 or snapshot.number != len(documents):
            return
        keys = [key_of(each) for each in documents]
        first, second = (snapshot.records.find(key[_DOMID:]) for key in keys[1:3])
        length, handle = second - first, 2 * first - second
        if first < 0 or not 0 <= handle < length <= _ROOM:
            return
        self._length, self._handle = length, handle
        if [*self.split(snapshot)] != keys:
            self._length = 0  # a uuid was found in something else

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


def key_of(document: Document) -> Key:
    """The key of the domain that a document of libxl's tells of."""
    return int(document["domid"]).to_bytes(_DOMID, "little") + uuid.UUID(document["uuid"]).bytes


def domid_of(key: Key) -> int:
    """The domid in a key."""
    return int.from_bytes(key[:_DOMID], "little")
