"""Virtual network interfaces: what a vif's backend waits for, and how its device shall be plugged in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from domus.devices.backends import CONNECTED, FAILED, NO_SCRIPT, BackendState, DeviceRef
from domus.model.config import Nic, NicKind
from domus.model.errors import BadInput
from domus.model.firewall import Rule, parse_all
from domus.network import bridges, guards, vlans
from domus.network.guards import Guard, Guarded
from domus.network.routes import Route, translated_address
from domus.network.vlans import Vlans

#: What has to be known of a backend to decide.
NODES: Final = (
    *("script", "state", "hotplug-status", "bridge", "vifname", "mtu", "type"),
    *("mac", "ip", "gatewaydev", "vlan"),
)

#: libxl calls the tap device that QEMU makes for an emulated card after the vif (libxl_nic.c).
TAP_SUFFIX: Final = "-emu"

#: where Xen's tools look for hotplug scripts (libxl_xen_script_dir_path)
SCRIPTS: Final = "/etc/xen/scripts/"

#: The first three bytes of Xen's own MAC addresses, assigned to XenSource by the IEEE.
XEN_OUI: Final = "00:16:3e"


class Mode(StrEnum):
    """How a card reaches the rest of the world; named by Xen's scripts, whose work xend does itself."""

    BRIDGE = "vif-bridge"
    ROUTE = "vif-route"
    NAT = "vif-nat"
    SWITCH = "vif-openvswitch"


def mode(script: str | None) -> Mode | None:
    """What a card's `script=` stands for; None: a script of the user's own."""
    name = Mode.BRIDGE if script is None else script.removeprefix(SCRIPTS)
    return Mode(name) if name in tuple(Mode) else None


@dataclass(frozen=True)
class Join:
    """Plug a vif in."""

    device: DeviceRef
    mode: Mode
    bridge: str  #: "" unless it is bridged
    name: str | None  #: what its device in dom0 shall be called; None: as the kernel has it
    mtu: int
    emulated: bool  #: QEMU's tap device is plugged in as well
    guard: Guard | None  #: None: the guest may send what it likes
    isolated: bool = False  #: it does not reach the other isolated ports of its bridge
    networks: tuple[IPv4Network | IPv6Network, ...] = ()  #: where its guest is, unless it is bridged
    gateway_device: str | None = None
    vlans: Vlans | None = None  #: of its port; None: as the bridge has it
    network: str = ""  #: the named network that it is in; "": none
    firewall: tuple[Rule, ...] = ()  #: its domain's

    @property
    def kernel_name(self) -> str:
        """The name that netback gives its device."""
        return kernel_name(self.device)

    @property
    def final_name(self) -> str:
        """Its name once it is plugged."""
        return self.name or self.kernel_name

    @property
    def devices(self) -> tuple[str, ...]:
        """All its devices that there may be."""
        tap = (self.final_name + TAP_SUFFIX,) if self.emulated else ()
        return (self.final_name, *tap)

    @property
    def chains(self) -> tuple[str, ...]:
        """The names of its guard's chains, one for each of `devices`."""
        return (self.kernel_name, self.kernel_name + TAP_SUFFIX)[: len(self.devices)]

    @property
    def route(self) -> Route | None:
        """How it is routed; None: it is a port of a bridge or switch."""
        if self.mode not in (Mode.ROUTE, Mode.NAT):
            return None
        return Route(self.final_name, self.networks, self.gateway_device, self.mode is Mode.NAT)

    def guarded(self) -> list[Guarded]:
        """Its guard on each of its devices that are there."""
        if self.guard is None:
            return []
        return [
            Guarded(chain, device, self.guard)
            for chain, device in zip(self.chains, self.devices, strict=True)
            if bridges.has_device(device)
        ]


def kernel_name(device: DeviceRef) -> str:
    """The name that netback gives a vif's device (xen-netback/interface.c, xenvif_alloc)."""
    return f"vif{device.domid}.{device.devid}"


def waits(nodes: Mapping[str, str | None]) -> bool:
    """The backend waits for its device to be plugged in, by us."""
    ready = BackendState.parse(nodes["state"]) is BackendState.INIT_WAIT
    return is_ours(nodes) and ready and nodes["hotplug-status"] not in (CONNECTED, FAILED)


def is_ours(nodes: Mapping[str, str | None]) -> bool:
    """It is a vif that xend plugs."""
    return nodes["script"] == NO_SCRIPT


def plan(
    device: DeviceRef, nodes: Mapping[str, str | None], wanted: Nic | None, firewall: Iterable[str] = ()
) -> Join:
    """How a vif is to be plugged in.

    Args:
        nodes: of its backend; dom0 alone writes them.
        wanted: what its domain's configuration says of it; None: xend does not know the domain.
        firewall: its domain's rules.

    Raises:
        BadInput: its nodes name no bridge, or an impossible device, or no address where one is needed.
    """
    how = Mode.BRIDGE if wanted is None else mode(wanted.script)
    if how is None:
        raise BadInput("a script of the user's own plugs it in")
    if how in (Mode.BRIDGE, Mode.SWITCH) and not nodes["bridge"]:
        raise BadInput("no bridge is named for it")
    name, mtu = nodes["vifname"] or None, nodes["mtu"] or ""
    ips = (nodes["ip"] or "").split()
    if how is Mode.NAT and not ips:
        ips = [str(translated_address(device.domid, device.devid))]
    routed = how in (Mode.ROUTE, Mode.NAT)
    networks = tuple(guards.network_of(text) for text in ips) if routed else ()
    if routed and not networks:
        raise BadInput("a routed card needs its address", hint="ip=192.0.2.5")
    return Join(
        device=device,
        mode=how,
        bridge="" if routed else _bridge(nodes["bridge"] or "", how),
        vlans=vlans.parse(nodes["vlan"]) if nodes["vlan"] and how is Mode.BRIDGE else None,
        name=None if name is None else bridges.check_device_name(name),
        mtu=int(mtu) if mtu.isdecimal() else bridges.DEFAULT_MTU,
        emulated=nodes["type"] == NicKind.IOEMU,
        guard=_guard(nodes["mac"], ips, wanted, tagged=_is_trunk(nodes, how)),
        isolated=wanted is not None and wanted.isolated is True,
        networks=networks,
        gateway_device=nodes["gatewaydev"] or None,
        network=(wanted.network if wanted is not None else None) or "",
        firewall=parse_all(firewall),
    )


def _bridge(name: str, how: Mode) -> str:
    bridges.check_device_name(vlans.of_switch(name)[0] if how is Mode.SWITCH else name)
    return name


def _is_trunk(nodes: Mapping[str, str | None], how: Mode) -> bool:
    """Its guest sends frames with tags of VLANs."""
    if how is Mode.SWITCH:
        return bool(vlans.of_switch(nodes["bridge"] or "")[2])
    return how is Mode.BRIDGE and bool(nodes["vlan"]) and bool(vlans.parse(nodes["vlan"] or "").tagged)


def _guard(mac: str | None, ips: list[str], wanted: Nic | None, *, tagged: bool) -> Guard | None:
    if wanted is not None and wanted.antispoof is False:
        return None
    if not mac:
        raise BadInput("it has no MAC address")
    ipv4, ipv6 = guards.known(ips)
    if wanted is not None and wanted.network is not None and ips:
        # A named network says everything: where it gives no address, there is none to be used.
        return Guard(mac.lower(), ipv4 or (), ipv6 or (), serves_dhcp=False)
    return Guard(mac.lower(), ipv4, ipv6, tagged=tagged)


def devids(nics: tuple[Nic, ...]) -> list[int]:
    """The number of each card: its own, else its place in the list."""
    return [index if nic.devid is None else nic.devid for index, nic in enumerate(nics)]


def choose_mac(random_bytes: bytes) -> str:
    """A MAC address of Xen's range from three random bytes, the first one's top bit clear as xend had it."""
    first, second, third = random_bytes
    return f"{XEN_OUI}:{first & 0x7F:02x}:{second:02x}:{third:02x}"
