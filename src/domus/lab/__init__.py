"""The lab: real Xen hosts inside QEMU, on any Linux machine, with or without KVM.

`image` builds a host's root from Debian packages, `layer` packs Domus itself, `template` boots the two
once and keeps the running machine, `host` starts any number of hosts from it by copy-on-write. The
functions here are what the rest of `xm` needs; each imports the heavy part only when it comes to that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domus.client.client import Client

#: the host that is used where none is named
DEFAULT_NAME = "lab"

__all__ = ["DEFAULT_NAME", "client_of", "default_client", "names"]


def names() -> list[str]:
    """Names of the running lab hosts, sorted."""
    from domus.lab import record

    return [name for name in record.names() if record.running(name)]


def client_of(name: str) -> Client | None:
    """A client of the running lab host `name`; None when none of that name runs."""
    from domus.lab import record

    return record.client(name) if record.running(name) else None


def default_client() -> Client:
    """A client of the default lab host, which is started first if it does not run (one line says so)."""
    client = client_of(DEFAULT_NAME)
    if client is not None:
        return client
    print(f"No Xen on this machine: starting lab host {DEFAULT_NAME!r} in QEMU.", file=sys.stderr)
    from domus.lab.host import LabHost
    from domus.lab.progress import terminal

    host = LabHost(DEFAULT_NAME)
    with terminal() as report:
        host.up(report=report)
    return host.client()
