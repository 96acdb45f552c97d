"""The displays of domains: QEMU serves them by VNC in domain 0, and xend leads viewers there.

Where a configuration does not say otherwise, QEMU listens on a UNIX socket that is root's, not on a port:
VNC's own password has eight letters and DES behind it, and QEMU as Debian builds it for Xen has no DES at
all. A password that a configuration does have is left by libxl in nodes that the guest may read: they are
closed to it before it runs.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from domus.model.config import DomainConfig, GuestType, Hvm
from domus.model.display import Display
from domus.model.errors import HostProblem, WrongState, XenStoreError
from domus.model.machine import Vnc
from domus.model.names import DOM0
from domus.xen.xenstore import Access, Permission

if TYPE_CHECKING:
    from domus.domains.parts import Parts
    from domus.xen.xenstore import XenStore

#: where QEMU's sockets are; only root may enter
SOCKETS: Final = Path("/run/domus/vnc")
_SOCKET: Final = re.compile(rf"{SOCKETS}/[0-9a-f]{{16}}\.sock")

#: all of a node for domain 0, nothing for anybody else
_DOM0_ONLY: Final = [Permission(DOM0, Access.NONE)]
_WRITING: Final = (Access.WRITE, Access.BOTH)

#: for addresses that mean every address of domain 0
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for, not bound to


class Place(NamedTuple):
    """Where QEMU serves a display in domain 0."""

    host: str  #: an address; "": on a UNIX socket
    port: int
    path: str = ""  #: of the UNIX socket


class Displays:
    """The displays of this host's domains. For the event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def get(self, reference: str) -> Display:
        """What a viewer of a domain's display needs.

        Raises:
            DomainNotFound, WrongState (it has ended, or has no display).
        """
        info, domid = await self._parts.started(reference)
        await self._place(info.name, domid)
        password = await self._parts.store.read_text(f"{_console(domid)}/vnc-pass")
        return Display(domain=info.name, domid=domid, password=password or "")

    async def place(self, reference: str) -> tuple[Display, Place]:
        """Where it is.

        Raises:
            As `get`.
        """
        display = await self.get(reference)
        return display, await self._place(display.domain, display.domid)

    async def _place(self, name: str, domid: int) -> Place:
        port = await self._trusted(f"{_console(domid)}/vnc-port")
        address = await self._trusted(f"{_console(domid)}/vnc-listen")
        if _SOCKET.fullmatch(port):  # libxl writes what QEMU calls the service: of a UNIX socket, its path
            return Place("", 0, port)
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise WrongState(
                f"Domain '{name}' has no VNC display", hint="vnc=1 gives one to an HVM guest, vfb to others"
            )
        try:
            listens = str(ipaddress.ip_address(address))
        except ValueError:
            raise HostProblem(f"the display of {name} listens on {address[:60]!r}") from None
        return Place(_ANY.get(listens, listens), int(port))

    async def _trusted(self, path: str) -> str:
        """A node's text, "" unless only domain 0 can have written it: we connect to where it says."""
        try:
            owner, *others = await self._parts.store.permissions(path)
        except XenStoreError as error:
            if error.errno_name == "ENOENT":
                return ""
            raise
        if owner.domid != DOM0 or any(each.access in _WRITING for each in (owner, *others)):
            return ""
        return await self._parts.store.read_text(path) or ""


def with_sockets(config: DomainConfig) -> DomainConfig:
    """`config`, where displays are on sockets of root's if nothing is said about where they are."""
    framebuffers = tuple(replace(each, vnc=_on_socket(each.vnc)) for each in config.framebuffers)
    hvm = config.hvm
    if config.guest_type is GuestType.HVM:
        hvm = hvm or Hvm()
        hvm = replace(hvm, vnc=_on_socket(hvm.vnc))
    return replace(config, framebuffers=framebuffers, hvm=hvm)


def _on_socket(vnc: Vnc) -> Vnc:
    # Where nothing is said at all libxl has a display.
    if vnc.enable is False or vnc.listen is not None or vnc.display is not None or vnc.password:
        return vnc
    return replace(vnc, listen=f"unix:{SOCKETS}/{secrets.token_hex(8)}.sock", find_unused=False)


async def socket_of(store: XenStore, domid: int) -> Path | None:
    """The socket on which a domain's display is; it stays when QEMU is ended."""
    path = await store.read_text(f"{_console(domid)}/vnc-port") or ""
    return Path(path) if _SOCKET.fullmatch(path) else None


def sweep() -> None:
    """Make the folder of the sockets, and remove those that nobody listens on. Before any is made."""
    SOCKETS.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in SOCKETS.glob("*.sock"):
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


async def hide_passwords(store: XenStore, domid: int, uuid: str) -> None:
    """Close the nodes in which libxl leaves a display's password to the guest, which may not run yet."""
    backends = f"/local/domain/{DOM0}/backend/vfb/{domid}"
    paths = [f"/vm/{uuid}/vncpasswd", f"{_console(domid)}/vnc-pass"]
    paths += [f"{backends}/{devid}/vncpasswd" for devid in await store.list(backends) or ()]
    for path, value in zip(paths, await store.read_many(paths), strict=True):
        if value is not None:
            await store.set_permissions(path, _DOM0_ONLY)


def _console(domid: int) -> str:
    return f"/local/domain/{domid}/console"
