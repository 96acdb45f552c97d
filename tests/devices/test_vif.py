"""When a vif's backend is answered, and with what."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.devices import vif
from domus.devices.backends import NO_SCRIPT, DeviceKind, DeviceRef
from domus.devices.vif import Mode
from domus.model.config import Nic
from domus.model.errors import BadInput
from domus.network import routes
from domus.network.guards import Guard

DEVICE = DeviceRef(DeviceKind.VIF, 3, 1)
MAC = "00:16:3e:00:00:01"


def nodes(**changed: str | None) -> dict[str, str | None]:
    usual: dict[str, str | None] = {
        "script": NO_SCRIPT,
        "state": "2",
        "hotplug-status": None,
        "bridge": "xenbr0",
        "vifname": None,
        "mtu": "1500",
        "type": "vif",
        "mac": MAC,
        "ip": None,
        "gatewaydev": None,
        "vlan": None,
    }
    return usual | {name.replace("_", "-"): value for name, value in changed.items()}


def test_a_waiting_vif_joins_its_bridge_behind_a_guard_of_its_mac() -> None:
    assert vif.waits(nodes())
    join = vif.plan(DEVICE, nodes(), Nic())
    assert join == vif.Join(DEVICE, Mode.BRIDGE, "xenbr0", None, 1500, emulated=False, guard=Guard(MAC))
    assert join.kernel_name == join.final_name == "vif3.1"
    assert join.route is None


def test_a_vif_can_have_a_name_and_large_packets() -> None:
    join = vif.plan(DEVICE, nodes(vifname="web0", mtu="9000", type="vif_ioemu"), Nic())
    assert (join.name, join.mtu, join.emulated) == ("web0", 9000, True)
    assert join.devices == ("web0", "web0-emu")
    assert join.chains == ("vif3.1", "vif3.1-emu")


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "1"},
        {"state": "4"},
        {"state": None},
        {"script": "/etc/xen/scripts/vif-bridge"},
        {"hotplug_status": "connected"},
        {"hotplug_status": "error"},
    ],
)
def test_other_vifs_are_left_alone(changed: dict[str, str | None]) -> None:
    assert not vif.waits(nodes(**changed))


@pytest.mark.parametrize(
    "changed",
    [{"bridge": None}, {"bridge": ""}, {"bridge": "-x"}, {"vifname": "a/b"}, {"mac": None}, {"ip": "here"}],
)
def test_a_vif_without_a_proper_bridge_name_and_addresses_is_refused(changed: dict[str, str | None]) -> None:
    with pytest.raises(BadInput):
        vif.plan(DEVICE, nodes(**changed), Nic())


def test_a_vif_of_a_domain_that_xend_does_not_know_is_guarded_by_what_its_nodes_say() -> None:
    join = vif.plan(DEVICE, nodes(ip="192.0.2.5"), None)
    assert join.guard == Guard(MAC, ipv4=(IPv4Network("192.0.2.5/32"),), ipv6=())


def test_only_who_says_so_goes_without_a_guard() -> None:
    assert vif.plan(DEVICE, nodes(ip="192.0.2.5"), Nic(antispoof=False)).guard is None


def test_xens_scripts_name_ways_of_plugging_and_others_are_the_users_own() -> None:
    assert [vif.mode(name) for name in (None, "vif-bridge", "/etc/xen/scripts/vif-bridge")] == [
        Mode.BRIDGE
    ] * 3
    assert [vif.mode(name) for name in ("vif-route", "vif-nat")] == [Mode.ROUTE, Mode.NAT]
    assert [vif.mode(name) for name in ("vif-mine", "/root/vif-route", "")] == [None] * 3


def test_a_routed_vif_is_where_its_address_says() -> None:
    route = vif.plan(DEVICE, nodes(ip="192.0.2.5/24 2001:db8::5"), Nic(script="vif-route")).route
    assert route is not None
    assert [str(network) for network in route.networks] == ["192.0.2.5/32", "2001:db8::5/128"]
    with pytest.raises(BadInput, match="needs its address"):
        vif.plan(DEVICE, nodes(), Nic(script="vif-route"))


def test_a_translated_vif_has_the_address_that_vif_nat_gave_it() -> None:
    join = vif.plan(DeviceRef(DeviceKind.VIF, 300, 0), nodes(), Nic(script="vif-nat"))
    assert join.guard == Guard(MAC, ipv4=(IPv4Network("10.1.44.1/32"),), ipv6=())
    assert str(routes.gateway_of(IPv4Address("10.1.44.1"))) == "10.1.44.128"
    assert str(routes.gateway_of(IPv4Address("10.1.44.200"))) == "10.1.44.73"


@given(st.binary(min_size=3, max_size=3))
def test_chosen_macs_are_unicast_ones_of_xens_range(random: bytes) -> None:
    mac = vif.choose_mac(random)
    assert re.fullmatch(r"00:16:3e:[0-7][0-9a-f](:[0-9a-f]{2}){2}", mac)


def test_a_card_has_its_own_number_or_its_place() -> None:
    assert vif.devids((Nic(), Nic(devid=7), Nic())) == [0, 7, 2]
