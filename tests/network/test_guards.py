"""What a guard is made of, and what named networks may be."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from domus.model.errors import BadInput
from domus.model.networks import Network, NetworkKind, checked
from domus.network import dnsmasq, guards, named, translation, vlans
from domus.network.guards import Guard, Guarded
from domus.network.routes import Route

MAC = "00:16:3e:0a:0b:0c"


def test_a_guest_address_is_itself_and_a_network_is_all_of_it() -> None:
    assert guards.known(["192.0.2.5/24", "192.0.2.0/28"]) == (
        (IPv4Network("192.0.2.5/32"), IPv4Network("192.0.2.0/28")),
        (),
    )
    assert guards.known(["192.0.2.5", "::/0"])[1] == (IPv6Network("::/0"),)
    assert guards.known([]) == (None, None)
    assert guards.known(["2001:db8::5", "2001:db8:1::/64"])[1] == (
        IPv6Network("2001:db8::5/128"),
        IPv6Network("2001:db8:1::/64"),
    )
    with pytest.raises(BadInput, match="is no IP address"):
        guards.known(["192.0.2.300"])


def test_a_link_local_address_is_made_of_the_mac() -> None:
    assert str(guards.link_local(MAC)) == "fe80::216:3eff:fe0a:b0c"
    assert str(guards.link_local(MAC, "fd40::")) == "fd40::216:3eff:fe0a:b0c"


@pytest.mark.parametrize(
    "guard",
    [
        Guard(MAC),
        Guard(MAC, ipv4=(IPv4Network("192.0.2.5/32"),)),
        Guard(MAC, ipv6=(IPv6Network("2001:db8::/64"),)),
        Guard(MAC, ipv4=(), ipv6=(), serves_dhcp=False),
        Guard(MAC, serves_dhcp=False),
        Guard(MAC, tagged=True),
    ],
)
def test_every_guard_begins_with_the_mac_and_ends_with_a_verdict(guard: Guard) -> None:
    rules = guards.rules(guard)
    assert rules[0] == f'ether saddr != {MAC} counter drop comment "mac"'
    known = guard.ipv4 is not None or guard.ipv6 is not None
    assert rules[-1] == ('counter drop comment "other"' if known else "accept")
    assert all(rule.endswith(("accept", '"')) for rule in rules)


def test_a_guard_takes_the_place_of_one_of_its_name() -> None:
    text = guards.installed([Guarded("vif3.0", "web0", Guard(MAC))])
    lines = text.splitlines()
    assert lines[:4] == [
        "add table netdev domus",
        "add chain netdev domus vif3.0",
        "flush chain netdev domus vif3.0",
        "delete chain netdev domus vif3.0",
    ]
    assert 'hook ingress device "web0"' in lines[4]
    assert "policy drop" in lines[4]
    assert guards.rebuilt([]).startswith("add table netdev domus\ndelete table netdev domus\n")


def test_what_a_guard_dropped_is_read_from_its_counters() -> None:
    def rule(chain: str, comment: str, packets: int) -> dict[str, object]:
        expressions = [{"counter": {"packets": packets, "bytes": 0}}, {"drop": None}]
        return {"rule": {"chain": chain, "comment": comment, "expr": expressions}}

    listing: list[dict[str, object]] = [
        {"metainfo": {}},
        rule("vif1.0", "mac", 3),
        rule("vif1.0", "ndp", 0),
        rule("vif2.0", "mac", 9),
    ]
    assert guards.dropped(listing, "vif1.0") == {"mac": 3, "ndp": 0}


def test_only_what_is_translated_is_in_the_inet_table() -> None:
    routed = Route("vif1.0", (IPv4Network("192.0.2.5/32"),), None, translated=False)
    assert translation.rebuilt([routed], []) == "add table inet domus\ndelete table inet domus\n"
    nat = Route("vif2.0", (IPv4Network("10.0.2.1/32"),), None, translated=True)
    text = translation.rebuilt([routed, nat], [])
    assert 'ip saddr 10.0.2.1/32 oifname != { "vif2.0" } masquerade' in text
    assert "forward" not in text


NET = Network(name="default", address="192.168.140.1/24", address6="fd40::1/64", outside="out0")


def test_a_network_lets_its_guests_out_and_nobody_in() -> None:
    text = translation.rebuilt([], [NET])
    assert 'ip saddr 192.168.140.0/24 oifname "out0" masquerade' in text
    assert 'oifname "xn-default" iifname != "xn-default" ct state established,related accept' in text
    isolated = translation.rebuilt([], [Network(name="lonely", kind=NetworkKind.ISOLATED)])
    assert "masquerade" not in isolated
    assert 'iifname "xn-lonely" oifname != "xn-lonely" counter drop' in isolated


def test_dnsmasq_listens_on_the_bridge_alone_and_gives_reserved_addresses_only() -> None:
    text = dnsmasq.configuration(NET, Path("/run/x"), Path("/var/x.leases"), "dnsmasq")
    lines = text.splitlines()
    assert {"interface=xn-default", "bind-interfaces", "except-interface=lo", "user=dnsmasq"} <= set(lines)
    assert "dhcp-range=192.168.140.0,static,255.255.255.0,12h" in lines
    assert "dhcp-range=fd40::,ra-only,64,12h" in lines
    assert "host-record=gateway.default,192.168.140.1,fd40::1" in lines


def test_each_network_has_a_bridge_of_its_own_address() -> None:
    assert named.own_mac(NET) == named.own_mac(Network(name="default"))
    assert named.own_mac(NET) != named.own_mac(Network(name="other"))
    assert Network(name="a-name-that-is-long").device == "xn-a-name-that-"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Network(name="a/b"), "invalid network name"),
        (Network(name="x", bridge="-b"), "bridge: invalid network device name"),
        (Network(name="x", address="192.168.1.0/24"), "is the network, not the host's address"),
        (Network(name="x", address="192.168.1.1/31"), "with a length from 8 to 29"),
        (Network(name="x", address="fd00::1/64"), "not an IPv4 address"),
        (Network(name="x", address6="fd00::1/80"), "with a length from 64 to 64"),
        (Network(name="x", address="here"), "is no address"),
        (Network(name="x", domain="a b"), "is no DNS name"),
        (Network(name="x", kind=NetworkKind.BRIDGE), "names its bridge"),
        (
            Network(name="x", kind=NetworkKind.BRIDGE, bridge="br0", address="10.0.0.1/24"),
            "no address of ours",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused(network: Network, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        checked(network)


@pytest.mark.parametrize(
    ("text", "own", "untagged", "tagged"),
    [
        ("10", 10, (10,), ()),
        ("10p/20", 10, (10,), (20,)),
        ("10p/20-22/7u", 10, (10, 7), (20, 21, 22)),
        ("10p/100+10x4", 10, (10,), (100, 110, 120, 130)),
        ("20/21", None, (), (20, 21)),
    ],
)
def test_vlans_of_a_port(
    text: str, own: int | None, untagged: tuple[int, ...], tagged: tuple[int, ...]
) -> None:
    assert vlans.parse(text) == vlans.Vlans(own, untagged, tagged)


@pytest.mark.parametrize("text", ["", "0", "4095", "10p/20p", "20-10", "1+1x0", "x", "10,20"])
def test_what_is_no_vlan_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        vlans.parse(text)


def test_a_place_in_a_switch_is_its_bridge_with_vlans() -> None:
    assert vlans.of_switch("ovs0") == ("ovs0", None, ())
    assert vlans.of_switch("ovs0.10:20:30") == ("ovs0", 10, (20, 30))
    for text in ("ovs0.", "ovs0.x", "ovs0:5000", ".5", "ovs0.0"):
        with pytest.raises(BadInput):
            vlans.of_switch(text)
