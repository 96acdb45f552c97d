"""VLANs of Linux bridges and of Open vSwitch: a guest reaches its own, and nothing of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.model.config import Nic
from domus.model.errors import BadInput, DomusError, NotFound
from tests.domains.guests import kill_xend
from tests.network.conftest import Boot, GuestShell

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

#: two ends, at the same address, in VLANs 10 and 20 of a bridge and of a switch
BRIDGE = """
ip link add brv type bridge vlan_filtering 1
ip link set brv up
for vid in 10 20; do
    ip netns add far$vid
    ip link add farb$vid type veth peer name eth0 netns far$vid
    ip link set farb$vid master brv up
    bridge vlan del dev farb$vid vid 1
    bridge vlan add dev farb$vid vid $vid pvid untagged
    ip -n far$vid addr add 10.69.0.1/24 dev eth0
    ip -n far$vid link set eth0 up
done
"""
SWITCH = """
modprobe openvswitch
/usr/share/openvswitch/scripts/ovs-ctl start --system-id=random
ovs-vsctl add-br ovs0
for vid in 10 20; do
    ip netns add sw$vid
    ip link add sw0$vid type veth peer name eth0 netns sw$vid
    ip link set sw0$vid up
    ovs-vsctl add-port ovs0 sw0$vid tag=$vid
    ip -n sw$vid addr add 10.69.0.1/24 dev eth0
    ip -n sw$vid link set eth0 up
done
"""


@pytest.fixture(scope="module")
def guest(lab_host: LabHost, boot: Boot) -> GuestShell:
    lab_host.run(["sh", "-e", "-c", BRIDGE])
    lab_host.run(["sh", "-e", "-c", SWITCH], within=300)
    for end in ("far10", "far20", "sw10", "sw20"):
        lab_host.run(["ip", "netns", "exec", end, "nft", COUNTER])
    return boot("tagged", memory_mib=160)


MAC = "00:16:3e:77:69:05"

#: Counts what comes from the guest. An end hears more: ports of a bridge solicit routers, again and again.
COUNTER = f"""
add table netdev heard
add chain netdev heard guest {{ type filter hook ingress device "eth0" priority 0; }}
add rule netdev heard guest ether saddr {MAC} counter
"""


def heard(host: LabHost, namespace: str) -> int:
    """How many of the guest's packets an end has got."""
    printed = host.run(
        ["ip", "netns", "exec", namespace, "nft", "-j", "list", "table", "netdev", "heard"]
    ).stdout
    rules = [each["rule"]["expr"] for each in json.loads(printed)["nftables"] if "rule" in each]
    return sum(int(part["counter"]["packets"]) for rule in rules for part in rule if "counter" in part)


@contextmanager
def attached(client: Client, nic: Nic) -> Iterator[None]:
    """The guest has one more card, while the block lasts."""
    client.finish(client.devices.attach_nic("tagged", nic))
    try:
        yield
    finally:
        client.finish(client.devices.detach_nic("tagged", "0"))


@pytest.mark.parametrize(
    ("nic", "near", "other"),
    [
        (Nic(bridge="brv.10"), "far10", "far20"),
        (Nic(bridge="brv", vlan="20"), "far20", "far10"),
        (Nic(bridge="brv", vlan="10p/100-101"), "far10", "far20"),
        (Nic(bridge="ovs0.10", script="vif-openvswitch"), "sw10", "sw20"),
        (Nic(bridge="ovs0.20:30", script="vif-openvswitch"), "sw20", "sw10"),
    ],
    ids=["bridge.VLAN", "vlan=", "trunk", "switch", "switch trunk"],
)
def test_a_guest_is_in_its_vlan_alone(
    lab_host: LabHost, client: Client, guest: GuestShell, nic: Nic, near: str, other: str
) -> None:
    look = "bridge vlan; ls /sys/class/net; ovs-vsctl --columns=name list interface; nft list ruleset"
    before = lab_host.run(["sh", "-c", look]).stdout
    with attached(client, replace(nic, mac=MAC)):
        there = "for i in $(seq 50); do [ -e /sys/class/net/eth0 ] && break; sleep 0.1; done"
        guest.run(f"{there}; ip link set eth0 up")
        near_before, other_before = heard(lab_host, near), heard(lab_host, other)
        guest.run("ip addr add 10.69.0.5/24 dev eth0; ping -c 2 -W 10 10.69.0.1")
        assert "10.69.0.5" in lab_host.run(["ip", "-n", near, "neigh"]).stdout
        assert heard(lab_host, near) >= near_before + 2
        assert heard(lab_host, other) == other_before
        assert "10.69.0.5" not in lab_host.run(["ip", "-n", other, "neigh"]).stdout
    lab_host.run(["ip", "-n", near, "neigh", "flush", "all"])
    assert lab_host.run(["sh", "-c", look]).stdout == before


@pytest.mark.parametrize(
    ("nic", "error", "message"),
    [
        (Nic(bridge="xenbr0", vlan="10"), BadInput, "does not tell VLANs apart"),
        (Nic(bridge="brv", vlan="5000"), BadInput, "vlan '5000' is not understood"),
        (Nic(bridge="brv", vlan="1p/2p"), BadInput, "more than one VLAN of the port's own"),
        (Nic(bridge="ovs9", script="vif-openvswitch"), DomusError, "Open vSwitch has no bridge 'ovs9'"),
        (Nic(bridge="ovs0.x", script="vif-openvswitch"), BadInput, "is not BRIDGE"),
        (Nic(bridge="brw.10"), NotFound, "bridge 'brw.10' does not exist"),
    ],
)
def test_a_vlan_that_cannot_be_is_refused(
    client: Client, guest: GuestShell, nic: Nic, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        client.finish(client.devices.attach_nic("tagged", nic))
    assert client.devices.list("tagged", "vif") == []


def test_a_port_that_was_left_in_the_switch_goes_with_the_next_xend(
    lab_host: LabHost, client: Client, guest: GuestShell
) -> None:
    mark = ["--", "set", "interface", "vif99.0", "external-ids:domus=port"]
    lab_host.run(["sh", "-c", " ".join(["ovs-vsctl add-port ovs0 vif99.0", *mark]) + " 2>/dev/null || true"])
    assert "vif99.0" in lab_host.run(["ovs-vsctl", "list-ports", "ovs0"]).stdout
    kill_xend(lab_host)
    assert lab_host.run(["ovs-vsctl", "list-ports", "ovs0"]).stdout.split() == ["sw010", "sw020"]
