"""Ports of Open vSwitch, changed through `ovs-vsctl`; those that are ours are marked so in its database.

Source: ovs-vsctl(8); xen tools/hotplug/Linux/vif-openvswitch (the external ids that it gives a port).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from domus.model.errors import HostProblem, NotFound
from domus.network import vlans
from domus.network.iproute import ip
from domus.programs import arun

_MARK: Final = "domus"
_WITHIN: Final = 40.0  # seconds; ovs-vsctl itself gives up after 30
_VSCTL: Final = ("ovs-vsctl", "--timeout=30")
_SOCKET: Final = Path("/run/openvswitch/db.sock")


async def require(bridge: str, *, where: str = "") -> None:
    """See that there is such a bridge of Open vSwitch, without its VLANs.

    Raises:
        NotFound: there is none.
        HostProblem: Open vSwitch is not installed, or does not run.
    """
    if shutil.which("ovs-vsctl") is None or not _SOCKET.exists():
        raise HostProblem("Open vSwitch is not installed, or does not run here", where=where)
    if (await arun([*_VSCTL, "br-exists", bridge], check=False, within=_WITHIN)).status:
        raise NotFound(f"Open vSwitch has no bridge {bridge[:40]!r}", where=where, hint="ovs-vsctl show")


async def add_port(place: str, device: str, ids: Mapping[str, str], *, mtu: int | None) -> None:
    """Plug a device in and set it up. May be called twice.

    Args:
        place: the bridge with its VLANs, as `ovs0.10:20`.
        ids: what Open vSwitch keeps about the port.

    Raises:
        NotFound, HostProblem: as `require`.
        ProgramFailed: a program failed.
    """
    bridge, tag, trunks = vlans.of_switch(place)
    await require(bridge)
    words = [*_VSCTL, "--", "--if-exists", "del-port", device, "--", "add-port", bridge, device]
    words += [] if tag is None else [f"tag={tag}"]
    words += [f"trunks={','.join(map(str, trunks))}"] if trunks else []
    words += ["--", "set", "interface", device, f"external-ids:{_MARK}=port"]
    words += [f'external-ids:{key}="{value}"' for key, value in ids.items()]
    await arun(words, within=_WITHIN)
    size = () if mtu is None else ("mtu", str(mtu))
    await ip("link", "set", "dev", device, *size, "up")


async def remove_port(device: str) -> None:
    """Take a device out, whether it is there or not.

    Raises:
        ProgramFailed: Open vSwitch does not answer.
    """
    await arun([*_VSCTL, "--", "--if-exists", "del-port", device], within=_WITHIN)


async def remove_left(but: Collection[str]) -> None:
    """Take out all ports of ours but these; nothing where Open vSwitch does not run."""
    if not _SOCKET.exists() or shutil.which("ovs-vsctl") is None:
        return
    find = ["--format=json", "--columns=name", "find", "interface", f"external-ids:{_MARK}=port"]
    done = await arun([*_VSCTL, *find], check=False, within=_WITHIN)
    for (name,) in json.loads(done.stdout)["data"] if not done.status else ():
        if name not in but:
            await remove_port(str(name))
