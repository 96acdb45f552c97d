"""What makes a clone of the template a host of its own: name, address, keys, clock, randomness."""

from __future__ import annotations

import base64
import os
import secrets
import time
import uuid
from pathlib import Path
from typing import Any

from domus.lab import paths
from domus.lab.built import locked

#: The LAN of the lab's hosts, on which host number N is .N; guests take addresses from .100 on.
LAN = "10.77.0"

#: where xend looks for its keys in a host
TLS_DIR = "/etc/domus/tls"


def address(number: int) -> str:
    """The IPv4 address of host `number` on the LAN, its bridge's own."""
    return f"{LAN}.{number}"


def fresh(name: str, number: int, tls: Path) -> dict[str, Any]:
    """An identity for host `name` (see `domus.lab.agent.take_identity`).

    Args:
        number: 1..99, its place on the LAN.
        tls: folder with its certificate (`certify`).
    """
    # 52:54:00 is QEMU's; the number keeps the hosts of one LAN apart for certain
    tail = secrets.token_bytes(2)
    mac = f"52:54:00:{number:02x}:{tail[0]:02x}:{tail[1]:02x}"
    return {
        "time": time.time(),
        "entropy": base64.b64encode(os.urandom(256)).decode(),
        "hostname": name,
        "files": {
            "/etc/hostname": f"{name}\n",
            "/etc/machine-id": f"{uuid.uuid4().hex}\n",
            **{f"{TLS_DIR}/{path.name}": path.read_text() for path in sorted(tls.iterdir())},
        },
        "commands": [
            ["ip", "link", "set", "dev", "eth1", "address", mac],
            ["ip", "address", "add", f"{address(number)}/24", "dev", "xenbr0"],
            ["sysctl", "-q", "net.ipv6.conf.xenbr0.disable_ipv6=0"],
        ],
        "reload": ["/run/domus/xend.pid"],
    }


def user_tls() -> Path:
    """The folder with the lab's authority and the certificate that shows who we are; made when absent."""
    folder = paths.state_dir() / "tls"
    with locked(paths.state_dir() / ".tls.lock"):
        if not (folder / "client.crt").exists():  # the last file that is written
            from domus.client import certificates

            authority = certificates.kept_ca(folder, "domus lab")
            certificates.issue("lab", authority).write(folder, "client")
    return folder


def certify(name: str, number: int, folder: Path) -> Path:
    """A folder inside `folder` with ca.crt, host.crt and host.key of host `name`; made when absent."""
    tls = folder / "tls"
    if not (tls / "host.crt").exists():  # the last file that is written
        from domus.client import certificates

        authority = certificates.kept_ca(user_tls(), "domus lab")
        tls.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority.write_certificate(tls / "ca.crt")
        certificates.issue(
            name, authority, hosts=[name, "localhost"], addresses=["127.0.0.1", address(number)]
        ).write(tls, "host")
    return tls
