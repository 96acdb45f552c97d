"""Virtual network interfaces: what a vif's backend waits for, and how it is plugged into its bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domus.devices.backends import CONNECTED, FAILED, NO_SCRIPT, BackendState, DeviceRef
from domus.model.config import Nic, NicKind
from domus.model.errors import BadInput, HostProblem
from domus.network import bridges

#: What has to be known of a backend to decide.
NODES: Final = ("script", "state", "hotplug-status", "bridge", "vifname", "mtu", "type")

#: libxl calls the tap device that QEMU makes for an emulated card after the vif (libxl_nic.c).
TAP_SUFFIX: Final = "-emu"

# Seconds. netback makes its device right after it says InitWait; usually it is there when we look.
_APPEARS_WITHIN: Final = 5.0
_LOOK_EVERY: Final = 0.02

#: The first three bytes of Xen's own MAC addresses, assigned to XenSource by the IEEE.
XEN_OUI: Final = "00:16:3e"


@dataclass(frozen=True)
class Join:
    """Plug a vif into its bridge."""

    device: DeviceRef
    bridge: str
    name: str | None  #: what its device in dom0 shall be called; None: as the kernel has it
    mtu: int
    emulated: bool  #: QEMU's tap device goes into the bridge as well

    @property
    def kernel_name(self) -> str:
        """The name that netback gives its device."""
        return kernel_name(self.device)

    @property
    def final_name(self) -> str:
        """Its name once it is plugged."""
        return self.name or self.kernel_name


def kernel_name(device: DeviceRef) -> str:
    """The name that netback gives a vif's device (xen-netback/interface.c, xenvif_alloc)."""
    return f"vif{device.domid}.{device.devid}"


def decide(device: DeviceRef, nodes: Mapping[str, str | None]) -> Join | None:
    """What is to be done for a vif in this state; None: nothing (yet), or it is not ours to do.

    Raises:
        BadInput: its nodes name no bridge, or an impossible device.
    """
    ready = BackendState.parse(nodes["state"]) is BackendState.INIT_WAIT
    if nodes["script"] != NO_SCRIPT or not ready or nodes["hotplug-status"] in (CONNECTED, FAILED):
        return None
    if not nodes["bridge"]:
        raise BadInput("no bridge is named for it")
    name, mtu = nodes["vifname"] or None, nodes["mtu"] or ""
    return Join(
        device=device,
        bridge=bridges.check_device_name(nodes["bridge"]),
        name=None if name is None else bridges.check_device_name(name),
        mtu=int(mtu) if mtu.isdecimal() else bridges.DEFAULT_MTU,
        emulated=nodes["type"] == NicKind.IOEMU,
    )


async def plug(join: Join) -> None:
    """Carry a plan out. May be repeated after it was cut off anywhere.

    Raises:
        DomusError: the bridge is gone, the device never appeared, or `ip` failed.
    """
    bridges.require(join.bridge)
    await _appearance(join)
    if join.final_name != join.kernel_name and bridges.has_device(join.kernel_name):
        await bridges.rename(join.kernel_name, join.final_name)
    mtu = None if join.mtu == bridges.DEFAULT_MTU else join.mtu
    await bridges.add_port(join.bridge, join.final_name, mtu=mtu)
    if join.emulated and bridges.has_device(join.final_name + TAP_SUFFIX):
        await bridges.add_port(join.bridge, join.final_name + TAP_SUFFIX, mtu=mtu)


async def _appearance(join: Join) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + _APPEARS_WITHIN
    while not (bridges.has_device(join.kernel_name) or bridges.has_device(join.final_name)):
        if clock() > end:
            raise HostProblem(f"device {join.kernel_name} did not appear", hint="is xen-netback loaded?")
        await asyncio.sleep(_LOOK_EVERY)


def devids(nics: tuple[Nic, ...]) -> list[int]:
    """The number of each card: its own, else its place in the list."""
    return [index if nic.devid is None else nic.devid for index, nic in enumerate(nics)]


def choose_mac(random_bytes: bytes) -> str:
    """A MAC address of Xen's range from three random bytes, the first one's top bit clear as xend had it."""
    first, second, third = random_bytes
    return f"{XEN_OUI}:{first & 0x7F:02x}:{second:02x}:{third:02x}"
