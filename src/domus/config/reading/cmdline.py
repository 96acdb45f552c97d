"""The kernel's command line, from root, extra, ip, nfs_root and the like."""

from __future__ import annotations

import re
from typing import Final

from domus.config.reading.reading import Reading

_HAS_ROOT: Final = re.compile(r"(^|\s)root=")
_HAS_IP: Final = re.compile(r"(^|\s)ip=\S")


def command_line(reading: Reading) -> None:
    """Compose the command line as the file's language does."""
    whole = reading.value("cmdline")
    if whole is not None:
        for name in ("root", "extra"):
            if reading.value(name):
                reading.warn(name, "ignored, since cmdline is the whole command line")
        reading.fields["cmdline"] = whole
        return
    reading.fields["cmdline"] = _from_xm(reading) if reading.is_xm else _from_xl(reading)


def _from_xl(reading: Reading) -> str:
    root, extra = reading.value("root"), reading.value("extra")
    return " ".join(part for part in (f"root={root}" if root else "", extra or "") if part)


def _from_xm(reading: Reading) -> str:
    """`root=ROOT ip=IP nfsroot=SERVER:ROOT EXTRA`, as xm and xend built it.

    Xend left root= out when it found the letters "root=" anywhere, so that nfs_root made it forget
    root='/dev/nfs'; here only a word that begins with root= counts (and with ip= likewise).
    """
    line = reading.value("extra") or ""
    nfs_root, nfs_server = reading.value("nfs_root"), reading.value("nfs_server")
    if nfs_root and not nfs_server:
        reading.error("nfs_root", "needs nfs_server", "add nfs_server = 'ADDRESS'")
    elif nfs_root:
        line = f"nfsroot={nfs_server}:{nfs_root} {line}"
    return composed(reading.value("root") or "", _ip(reading), line)


def composed(root: str, address: str, arguments: str) -> str:
    """`root=ROOT ip=ADDRESS ARGUMENTS`, without what the arguments have already."""
    line = arguments
    if address and not _HAS_IP.search(line):
        line = f"ip={address} {line}"
    root = root.removeprefix("root=")
    if root and not _HAS_ROOT.search(line):
        line = f"root={root} {line}"
    return line.rstrip()


def _ip(reading: Reading) -> str:
    """The kernel's ip= (Linux Documentation/admin-guide/nfs/nfsroot.rst), "" if none was asked for."""
    given = reading.document.variables.get("dhcp")
    dhcp = str(given.value) if given is not None and given.value is not None else "off"
    ip = reading.value("ip") or ""
    if not ip and dhcp == "off":
        return ""
    parts = (
        ip,
        reading.value("nfs_server") or "127.0.255.255",
        reading.value("gateway") or "",
        reading.value("netmask") or "",
        reading.value("hostname") or "",
        reading.value("interface") or "eth0",
        dhcp,
    )
    return ":".join(parts).removeprefix("ip=")
