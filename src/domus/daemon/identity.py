"""Who is calling: the kernel says it on a UNIX socket, the certificate on TLS."""

from __future__ import annotations

import re
import socket
import struct
from asyncio import BaseTransport
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9@._:+\- ]{1,64}")

# struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_UCRED: Final = struct.Struct("iII")


def who(transport: BaseTransport) -> str:
    """ "uid:0" for a local caller, "cn:laptop" for a remote one; "unknown" if neither can be said."""
    certificate = transport.get_extra_info("peercert")
    if certificate:
        return f"cn:{common_name(certificate)}"
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family == socket.AF_UNIX:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return f"uid:{_UCRED.unpack(credentials)[1]}"
    return "unknown"


def common_name(certificate: dict[str, Any]) -> str:
    """The common name of a certificate as `ssl.SSLSocket.getpeercert` gives it, safe to print."""
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return value if _PLAIN.fullmatch(value) else ascii(value)[1:-1][:64]
    return "?"
