"""This user's own authority: it signs who they are, and the hosts that they put its certificates on.

~/.config/domus/authority/{ca.crt,ca.key}       made at the first need
~/.config/domus/hosts/NAME/{ca.crt,client.crt,client.key}       what `xm --host NAME` shows
~/.config/domus/hosts/NAME/install/{ca.crt,host.crt,host.key}   what goes to /etc/domus/tls of NAME
"""

from __future__ import annotations

import getpass
import ipaddress
import shutil
import socket
from pathlib import Path

from domus.client.certificates import issue, kept_ca
from domus.client.hosts import directory


def certify(name: str, address: str, folder: Path) -> None:
    """Fill `folder` with this user's half of the certificates for host `name`, and the host's own half.

    Args:
        address: how the host is reached; its certificate is good for this and for `name`.

    Effect:
        Makes the authority when there is none. On failure `folder` is removed again.
    """
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    authority = kept_ca(directory() / "authority", who)
    install = folder / "install"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    install.mkdir(exist_ok=True, mode=0o700)
    try:
        issue(who, authority).write(folder, "client")
        names, addresses = [name], list[str]()
        (addresses if _is_ip(address) else names).append(address)
        issue(name, authority, hosts=names, addresses=addresses).write(install, "host")
        for half in (folder, install):
            authority.write_certificate(half / "ca.crt")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
