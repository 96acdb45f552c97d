"""Telling switches where a guest is now: frames on its behalf, from the bridge that its card is in.

A switch learns from any frame's source address. Who knows the guest's IP addresses from its configuration
can renew the neighbours' caches as well; else the guest's own kernel does (Linux: netfront, when it resumes).
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
from collections.abc import Iterable
from typing import Final

log = logging.getLogger(__name__)

_BROADCAST: Final = b"\xff" * 6
_RARP: Final = 0x8035
_ARP: Final = 0x0806
_IPV6: Final = 0x86DD
#: Ethernet and IPv4 addresses of their lengths (RFC 826); the operation follows
_ETHERNET_IPV4: Final = struct.pack(">HHBB", 1, 0x0800, 6, 4)
_REVERSE_REQUEST: Final = 3  # RFC 903
_REQUEST: Final = 1
_ICMPV6: Final = 58
_ALL_NODES: Final = ipaddress.IPv6Address("ff02::1")


def announce(bridge: str, mac: str, ips: Iterable[str] = ()) -> None:
    """Send a guest's frames out of a bridge; one that cannot be sent is only logged.

    Args:
        ips: its addresses, with or without /length.

    Where it runs:
        Needs CAP_NET_RAW; does not block.
    """
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sending:
            sending.bind((bridge, 0))
            for frame in frames(mac, ips):
                sending.send(frame)
    except OSError as error:
        log.warning("%s on %s cannot be announced: %s", mac, bridge, error.strerror)


def frames(mac: str, ips: Iterable[str] = ()) -> list[bytes]:
    """A reverse ARP request, which asks nobody anything; and what tells of each IP address."""
    source = bytes.fromhex(mac.replace(":", ""))
    empty = bytes(4)
    reverse = _ETHERNET_IPV4 + struct.pack(">H", _REVERSE_REQUEST) + source + empty + source + empty
    found = [_frame(_BROADCAST, source, _RARP, reverse)]
    for text in ips:
        address = ipaddress.ip_interface(text).ip
        found.append(_ipv4(source, address) if address.version == 4 else _ipv6(source, address))
    return found


def _ipv4(source: bytes, address: ipaddress.IPv4Address) -> bytes:
    """A gratuitous ARP request (RFC 5227, 3)."""
    own = address.packed
    return _frame(
        _BROADCAST, source, _ARP, _ETHERNET_IPV4 + struct.pack(">H", _REQUEST) + source + own + bytes(6) + own
    )


def _ipv6(source: bytes, address: ipaddress.IPv6Address) -> bytes:
    """An unsolicited neighbour advertisement to all nodes (RFC 4861, 4.4 and 7.2.6)."""
    override = 1 << 29
    body = struct.pack(">BBHI", 136, 0, 0, override) + address.packed + b"\x02\x01" + source
    pseudo = address.packed + _ALL_NODES.packed + struct.pack(">II", len(body), _ICMPV6)
    body = body[:2] + struct.pack(">H", _checksum(pseudo + body)) + body[4:]
    head = struct.pack(">IHBB", 6 << 28, len(body), _ICMPV6, 255) + address.packed + _ALL_NODES.packed
    return _frame(b"\x33\x33" + _ALL_NODES.packed[-4:], source, _IPV6, head + body)


def _frame(target: bytes, source: bytes, kind: int, content: bytes) -> bytes:
    return (target + source + struct.pack(">H", kind) + content).ljust(60, b"\0")


def _checksum(data: bytes) -> int:
    """The Internet's (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
