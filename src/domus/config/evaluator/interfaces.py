"""Addresses of this machine, as the kernel knows them: what xm's get_current_ipaddr() and the like told.

Nothing is sent anywhere: /proc/net/route, and netdevice(7)'s SIOCGIFADDR and SIOCGIFNETMASK.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from pathlib import Path
from typing import Final

ADDRESS: Final = 0x8915  # SIOCGIFADDR
NETMASK: Final = 0x891B  # SIOCGIFNETMASK

_ROUTES: Final = Path("/proc/net/route")
_GATEWAY: Final = 2  # RTF_GATEWAY
_LONGEST_NAME: Final = 15


def default_route(routes: str | None = None) -> tuple[str, str] | None:
    """The gateway and the device of the default route; None: there is none.

    Args:
        routes: the text of /proc/net/route; None: that of this machine.
    """
    if routes is None:
        try:
            routes = _ROUTES.read_text()
        except OSError:
            return None
    for line in routes.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[1] == "00000000" and int(words[3], 16) & _GATEWAY:
            # The kernel prints the address as a number of this machine's byte order.
            return socket.inet_ntoa(struct.pack("=I", int(words[2], 16))), words[0]
    return None


def of_device(device: str, request: int) -> str | None:
    """The IPv4 ADDRESS or NETMASK of a network device; None: it has none, or is not there."""
    name = device.encode("utf-8", "surrogatepass")
    if not name or len(name) > _LONGEST_NAME or b"\0" in name:
        return None
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answer = fcntl.ioctl(asked, request, struct.pack("256s", name))
        return socket.inet_ntoa(answer[20:24])
    return None
