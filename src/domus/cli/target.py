"""Which host a command is for: the one it names, else this machine's own Xen, else the lab's.

The rule, in this order:

1. `--host NAME`, else the environment's XM_HOST. NAME is "local", a host known from `xm host add`,
   or a running lab host; "lab:NAME" can only be the latter. "ssh://[USER@]HOST[:PORT]" is that host.
   The old XM_SERVER counts too where it is such an address.
2. This machine, when it runs Xen: xend's socket is there, or this is a control domain.
3. The lab's default host, which is started when it does not run.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Final

from domus.cli.here import runs_xen, socket_path
from domus.model.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from domus.client import Client
    from domus.client.hosts import Host

_LAB: Final = "lab:"
_SSH: Final = "ssh://"


class Target:
    """A host, and how much of this machine it shares."""

    shares_files = False  #: a path means the same file here and there

    @property
    def client(self) -> Client:
        """Its API; the connection is made with the first request."""
        raise NotImplementedError


class Local(Target):
    """The Xen of this machine."""

    shares_files = True

    @cached_property
    def client(self) -> Client:
        """xend behind its UNIX socket."""
        from domus.client import Client

        return Client.local(socket_path())


class Remote(Target):
    """A host known from `xm host add`."""

    def __init__(self, known: Host) -> None:
        self.known = known

    @cached_property
    def client(self) -> Client:
        """xend behind TLS."""
        return self.known.client()


class ThroughSsh(Target):
    """A host on which ssh can start `xm serve`."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def client(self) -> Client:
        """xend behind ssh."""
        from domus.client import Client
        from domus.client.ssh import SshPeer

        return Client(SshPeer(self.url))


class Lab(Target):
    """A host that runs inside QEMU on this machine: it can be lent this machine's disk images."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    @property
    def client(self) -> Client:
        """Its xend."""
        return self._client

    def lend(self, image: Path, *, read_only: bool, form: str = "raw") -> str:
        """Let the host have a disk image as a LUN; returns "lun:SERIAL", as a disk's target names it.

        Args:
            form: of the file; what the host sees is the disk that is in it.
        """
        from domus.lab import disks

        return disks.lend(self.name, image, read_only, form)


def choose(host: str | None) -> Target:
    """The host for a command; `host` is the value of `--host`.

    Raises:
        NotFound: no host is known by that name.
    """
    name = _asked_for(host)
    if name:
        return named(name)
    return Local() if runs_xen() else _default_lab_host()


def _asked_for(host: str | None) -> str:
    if host is not None:
        return host
    old = os.environ.get("XM_SERVER", "")
    return os.environ.get("XM_HOST", "") or (old if old.startswith(_SSH) else "")


def named(name: str) -> Target:
    """The host of that name."""
    if name == "local":
        return Local()
    if name.startswith(_SSH):
        return ThroughSsh(name)
    if not name.startswith(_LAB):
        from domus.client.hosts import Hosts

        hosts = Hosts()
        if name in hosts.names():
            return Remote(hosts.get(name))
    return _lab_host(name)


def _lab_host(name: str) -> Target:
    from domus import lab

    plain = name.removeprefix(_LAB)
    client = lab.client_of(plain)
    if client is not None:
        return Lab(plain, client)
    if name.startswith(_LAB):
        raise NotFound(f"no lab host '{plain}' runs", hint=f"xm lab up {plain}")
    from domus.client.hosts import Hosts

    known = ["local", *Hosts().names(), *lab.names()]
    raise NotFound(f"unknown host '{name}'", hint=f"known: {', '.join(known)}; see 'xm help host'")


def without_starting(host: str | None) -> Target | None:
    """As `choose`, but no lab host is started for it; None when one would have to be."""
    if _asked_for(host) or runs_xen():
        return choose(host)
    from domus import lab

    client = lab.client_of(lab.DEFAULT_NAME)
    return None if client is None else Lab(lab.DEFAULT_NAME, client)


def _default_lab_host() -> Target:
    from domus import lab

    return Lab(lab.DEFAULT_NAME, lab.default_client())
