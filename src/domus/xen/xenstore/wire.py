"""The XenStore wire protocol as a core without a socket: bytes in, packets out.

A message is a header of four 32-bit words (operation, request id, transaction id, length) and up to
4096 bytes of payload; a reply repeats the request's ids. What a payload holds depends on the operation.

>>> from domus.xen.xenstore.wire import Operation, PacketReader, encode, strings
>>> sent = encode(Operation.READ, strings("/local/domain/0/name"), req_id=7)
>>> PacketReader().feed(sent)[0].req_id
7

Source: xen/include/public/io/xs_wire.h and docs/misc/xenstore.txt of Xen 4.20.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from domus.model.errors import BadInput, XenStoreError

#: most bytes in a payload, in both directions; xenstored drops a connection that sends more
PAYLOAD_MAX: Final = 4096  # XENSTORE_PAYLOAD_MAX

# struct xsd_sockmsg, in the machine's own byte order: both ends are on one machine.
_HEADER: Final = struct.Struct("=IIII")
HEADER_SIZE: Final = _HEADER.size


class Operation(IntEnum):
    """What a message asks for or answers (enum xsd_sockmsg_type)."""

    CONTROL = 0  #: called DEBUG before Xen 4.9
    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    INTRODUCE = 8
    RELEASE = 9
    GET_DOMAIN_PATH = 10
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15  #: from xenstored only, without a request
    ERROR = 16  #: from xenstored only: the answer to a request that it refused
    IS_DOMAIN_INTRODUCED = 17
    RESUME = 18
    SET_TARGET = 19
    RESET_WATCHES = 21  #: 20 was RESTRICT, which is gone
    DIRECTORY_PART = 22
    # 23 to 26 came after Xen 4.20 and are optional; an older oxenstored never answers them.
    GET_FEATURE = 23
    SET_FEATURE = 24
    GET_QUOTA = 25
    SET_QUOTA = 26


#: operations that change nothing: repeating one after a lost connection does no harm
READ_ONLY: Final = frozenset(
    {
        Operation.DIRECTORY,
        Operation.DIRECTORY_PART,
        Operation.READ,
        Operation.GET_PERMS,
        Operation.GET_DOMAIN_PATH,
        Operation.IS_DOMAIN_INTRODUCED,
        Operation.GET_FEATURE,
        Operation.GET_QUOTA,
        # These two live and die with the connection.
        Operation.TRANSACTION_START,
        Operation.WATCH,
    }
)


class ProtocolError(XenStoreError):
    """The other side does not speak the protocol: the connection cannot be used any more."""


class Packet(NamedTuple):
    """One message as it came."""

    operation: int  #: an `Operation`, or a number that this version does not know
    req_id: int
    tx_id: int
    payload: bytes


class PacketReader:
    """Cuts a byte stream into packets; it never waits, and keeps less than one packet."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._broken = ""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that `data` completes, in order.

        Raises:
            ProtocolError: a header announces more than `PAYLOAD_MAX` bytes; from then on each call
                raises, since nothing after such a header can be told apart. Complete packets before
                it in the same piece are not lost: they are returned first, and the next call raises.
        """
        if self._broken:
            raise ProtocolError(self._broken)
        pending = self._pending
        pending += data
        packets: list[Packet] = []
        start = 0
        while len(pending) - start >= HEADER_SIZE:
            operation, req_id, tx_id, length = _HEADER.unpack_from(pending, start)
            if length > PAYLOAD_MAX:
                self._broken = f"a XenStore message announces {length} bytes, more than {PAYLOAD_MAX}"
                break
            end = start + HEADER_SIZE + length
            if len(pending) < end:
                break
            packets.append(Packet(operation, req_id, tx_id, bytes(pending[start + HEADER_SIZE : end])))
            start = end
        del pending[:start]
        if self._broken and not packets:
            raise ProtocolError(self._broken)
        return packets

    @property
    def broken(self) -> bool:
        """Nothing more can be read: the stream held an impossible header."""
        return bool(self._broken)


def encode(operation: Operation, payload: bytes, *, req_id: int, tx_id: int = 0) -> bytes:
    """The message on the wire.

    Raises:
        BadInput: the payload has more than `PAYLOAD_MAX` bytes; sending it would cost the connection.
    """
    if len(payload) > PAYLOAD_MAX:
        raise BadInput(
            f"a XenStore request of {len(payload)} bytes is too long",
            hint=f"XenStore carries at most {PAYLOAD_MAX} bytes, path included",
        )
    return _HEADER.pack(operation, req_id, tx_id, len(payload)) + payload


def strings(*parts: str) -> bytes:
    """The parts as a payload, a NUL behind each.

    Raises:
        BadInput: a part holds a NUL itself.
    """
    joined = "".join(part + "\0" for part in parts).encode()
    if joined.count(0) != len(parts):
        raise BadInput("a NUL byte cannot be part of a XenStore request")
    return joined


def path_and_value(path: str, value: bytes) -> bytes:
    """The payload of WRITE: the value is any bytes, without a NUL behind it."""
    return strings(path) + value


def split_strings(payload: bytes) -> list[bytes]:
    """The strings of a payload, each of which ends in a NUL.

    Raises:
        ProtocolError: the last one does not.
    """
    if not payload:
        return []
    if payload[-1] != 0:
        raise ProtocolError("a XenStore reply ends in the middle of a string")
    return payload[:-1].split(b"\0")


def first_string(payload: bytes) -> str:
    """The first string of a payload, as text.

    Raises:
        ProtocolError: there is none, or it is not ASCII.
    """
    parts = split_strings(payload)
    if not parts:
        raise ProtocolError("a XenStore reply is empty where a string belongs")
    return ascii_text(parts[0])


def ascii_text(raw: bytes) -> str:
    """Text that xenstored itself wrote, or checked: node names, paths, errno names.

    Raises:
        ProtocolError: it is not ASCII.
    """
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError(f"a XenStore reply holds {raw[:40]!r} where ASCII belongs") from None


def errno_name(payload: bytes) -> str:
    """What an ERROR says, such as "ENOENT".

    Raises:
        ProtocolError: it does not look like the name of an errno.
    """
    name = first_string(payload)
    if not (name.startswith("E") and name.isalnum() and name.isupper() and len(name) < 20):
        raise ProtocolError(f"a XenStore error is called {name[:40]!r}")
    return name


class WatchEvent(NamedTuple):
    """Something changed at or under a watched path."""

    path: str
    token: str


def watch_event(payload: bytes) -> WatchEvent:
    """What a WATCH_EVENT says.

    Raises:
        ProtocolError: it does not hold a path and a token.
    """
    parts = split_strings(payload)
    if len(parts) < 2:
        raise ProtocolError("a XenStore watch event lacks its path or token")
    return WatchEvent(ascii_text(parts[0]), ascii_text(parts[1]))


class DirectoryPart(NamedTuple):
    """A piece of a list of children that does not fit into one reply."""

    generation: str  #: another one in the next piece means that the list changed in between
    children: list[bytes]
    size: int  #: bytes of the list in this piece: the next one starts this much later
    last: bool


def directory_part(payload: bytes) -> DirectoryPart:
    """What a DIRECTORY_PART reply holds.

    Raises:
        ProtocolError: it lacks the generation, or holds neither a child nor the end of the list.
    """
    parts = split_strings(payload)
    if len(parts) < 2:
        raise ProtocolError("a part of a XenStore directory lacks its generation or its children")
    # xenstored marks the end of the list with one more NUL, which is an empty string here.
    last = not parts[-1]
    children = parts[1:-1] if last else parts[1:]
    return DirectoryPart(ascii_text(parts[0]), children, sum(len(child) + 1 for child in children), last)


def names(children: Iterable[bytes]) -> list[str]:
    """Names of nodes as text.

    Raises:
        ProtocolError: one is not ASCII.
    """
    return [ascii_text(child) for child in children]
