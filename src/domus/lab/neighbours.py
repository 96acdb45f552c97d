"""The hosts of one lab know each other: by name, by address, and by certificates of the lab's authority.

What a host is told is what `xm host add` would have left in its domain 0 for root: `hosts.toml` and a folder
with ca.crt, client.crt and client.key. The certificate that it shows is its own, /etc/domus/tls/host.crt,
which is good for both ends of a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from domus.client.hosts import Host, text_of
from domus.lab import identity, paths, record, shell
from domus.model.errors import DomusError

#: where root's `xm` looks in a host
CONFIG = "/root/.config/domus"

_CREDENTIALS = f"{CONFIG}/lab"


def tell(name: str) -> None:
    """Tell running host `name` of all hosts of the lab, those that are off too: their places are theirs.

    Raises:
        DomusError: it does not answer.
    """
    shell.request(paths.hosts_dir() / name, {"files": files(name)})


def introduce(*, but: str = "") -> None:
    """Tell every running host, except `but`, that a host has come or gone; one that just ends is left out."""
    for name in record.names():
        if name != but and record.running(name):
            with suppress(DomusError):
                tell(name)


def files(name: str) -> dict[str, str]:
    """The files by which host `name` knows the lab's hosts: path to text."""
    known = dict(_addresses())
    tls = paths.hosts_dir() / name / "tls"
    return {
        "/etc/hosts": "127.0.0.1 localhost\n"
        + "".join(f"{address} {each}\n" for each, address in known.items()),
        f"{CONFIG}/hosts.toml": text_of(
            {each: Host(address=each, tls=_CREDENTIALS) for each in known if each != name}
        ),
        f"{_CREDENTIALS}/ca.crt": (tls / "ca.crt").read_text(),
        f"{_CREDENTIALS}/client.crt": (tls / "host.crt").read_text(),
        f"{_CREDENTIALS}/client.key": (tls / "host.key").read_text(),
    }


def _addresses() -> Iterator[tuple[str, str]]:
    for name in record.names():
        with suppress(DomusError):  # one that is just removed
            yield name, identity.address(record.read(name).number)
