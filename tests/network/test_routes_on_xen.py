"""Cards that are not bridged: real guests reach the outside through dom0, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from domus.model.config import Nic
from domus.model.errors import BadInput, Forbidden, HostProblem, NotFound
from tests.conftest import check_traces, traces
from tests.domains.guests import kill_xend
from tests.network.conftest import Boot, GuestShell, has_card, host_state

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost


pytestmark = pytest.mark.lab

#: the outside: a namespace on a line of its own to dom0
OUTSIDE = """
# What stays: with it, addresses of every device come and go.
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip netns add out
ip link add out0 type veth peer name eth0 netns out
ip addr add 10.67.0.1/24 dev out0
ip addr add fd67::1/64 dev out0 nodad
ip link set out0 up
ip -n out addr add 10.67.0.2/24 dev eth0
ip -n out addr add fd67::2/64 dev eth0 nodad
ip -n out link set eth0 up
"""

ROUTED = Nic(script="vif-route", ips=("10.67.0.77", "fd67::77"), gateway_device="out0")
NAT = Nic(script="vif-nat", gateway_device="out0")

MINE = """#!/bin/sh
# A user's own script, as Xen's are called.
exec 3>> /root/mine.log
{ echo "$@"; env | grep -e ^XENBUS_PATH= -e ^vif= -e ^script=; xenstore-read "$XENBUS_PATH/ip"; } >&3
[ "$1" != online ] || [ ! -e /root/mine.fail ] || exit 7
[ "$1" = offline ] || ip link set dev "$vif" up
[ "$1" != online ] || xenstore-write "$XENBUS_PATH/hotplug-status" connected
"""


@pytest.fixture(scope="module")
def out(lab_host: LabHost) -> LabHost:
    lab_host.run(["sh", "-e", "-c", OUTSIDE])
    return lab_host


@pytest.fixture(scope="module")
def guest(out: LabHost, boot: Boot) -> GuestShell:
    return boot("routed", memory_mib=160)


@pytest.fixture
def unchanged(out: LabHost, client: Client, guest: GuestShell) -> Iterator[None]:
    before, network = traces(out, "network devices"), host_state(out)
    yield
    check_traces(out, before)
    assert host_state(out) == network


def outside(host: LabHost, *words: str) -> str:
    return host.run(["ip", "netns", "exec", "out", *words]).stdout


def test_a_routed_guest_is_a_host_of_the_outside_network(
    out: LabHost, client: Client, guest: GuestShell, unchanged: None
) -> None:
    client.finish(client.devices.attach_nic("routed", ROUTED))
    has_card(guest)
    guest.run("ip addr add 10.67.0.77/24 dev eth0; ip route add default via 10.67.0.1 dev eth0")
    guest.run("echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad; ip -6 addr add fd67::77/128 dev eth0")
    guest.run("ip -6 route add default via fe80::fcff:ffff:feff:ffff dev eth0")
    guest.run("ping -c 1 -W 10 10.67.0.2; ping -c 1 -W 10 fd67::2")
    # Nobody told the outside of a gateway: dom0 answers for the guest there.
    outside(out, "ping", "-c", "1", "-W", "10", "10.67.0.77")
    outside(out, "ping", "-6", "-c", "1", "-W", "10", "fd67::77")
    guest.run("ip addr add 10.67.0.78/24 dev eth0; ! ping -c 1 -W 2 -I 10.67.0.78 10.67.0.2")
    client.finish(client.devices.detach_nic("routed", "0"))


def test_a_translated_guest_goes_out_under_the_hosts_address(
    out: LabHost, client: Client, guest: GuestShell, unchanged: None
) -> None:
    operation = client.finish(client.devices.attach_nic("routed", NAT))
    has_card(guest)
    own = f"10.0.{operation.domid}.1"
    guest.run(f"ip addr add {own}/16 dev eth0; ip route add default via 10.0.{operation.domid}.128")
    guest.run("ping -c 1 -W 10 10.67.0.2")
    assert own not in outside(out, "ip", "neigh")
    client.finish(client.devices.detach_nic("routed", "0"))


def test_a_xend_that_comes_after_the_card_went_takes_the_rest_away(
    out: LabHost, client: Client, guest: GuestShell, unchanged: None
) -> None:
    client.finish(client.devices.attach_nic("routed", ROUTED))
    assert "10.67.0.77" in out.run(["ip", "neigh", "show", "proxy"]).stdout
    kill_xend(out)
    assert "10.67.0.77" in out.run(["ip", "neigh", "show", "proxy"]).stdout
    client.finish(client.devices.detach_nic("routed", "0"))
    out.run(["ip", "neigh", "add", "proxy", "10.67.0.90", "dev", "out0"])  # somebody else's
    out.run(
        ["ip", "neigh", "add", "proxy", "10.67.0.91", "dev", "out0", "protocol", "88"]
    )  # left by a killed one
    kill_xend(out)
    answered = out.run(["ip", "neigh", "show", "proxy"]).stdout
    assert "10.67.0.90" in answered
    assert "10.67.0.91" not in answered
    out.run(["ip", "neigh", "del", "proxy", "10.67.0.90", "dev", "out0"])


@pytest.mark.parametrize(
    ("nic", "error", "message"),
    [
        (Nic(script="vif-route"), BadInput, "a routed card needs its address"),
        (Nic(script="vif-route", ips=("10.67.0.5",), gateway_device="nodev"), NotFound, "no device 'nodev'"),
        (Nic(script="vif-nat", ips=("here",)), BadInput, "'here' is no IP address"),
        (Nic(script="vif-none"), NotFound, "vif-none': No such file"),
        (Nic(script="/root/loose"), Forbidden, "others can write it"),
    ],
)
def test_a_card_that_cannot_be_routed_is_refused(
    out: LabHost, client: Client, unchanged: None, nic: Nic, error: type[Exception], message: str
) -> None:
    out.put(b"#!/bin/sh\n", "/root/loose")
    out.run(["chmod", "777", "/root/loose"])
    with pytest.raises(error, match=message):
        client.finish(client.devices.attach_nic("routed", nic))


@pytest.mark.parametrize(
    ("nic", "message"),
    [
        (Nic(script="/etc/hostname", antispoof=True), "antispoof=yes cannot be kept: its own script plugs"),
        (Nic(script="/etc/hostname", isolated=True), "isolated=yes cannot be kept: its own script plugs"),
        (Nic(backend_domain="net", antispoof=True), "antispoof=yes cannot be kept: domain net plugs"),
        (Nic(backend_domain="net", network="default"), "network=default says how it is plugged in"),
    ],
)
def test_a_guard_where_there_can_be_none_is_refused(
    client: Client, guest: GuestShell, unchanged: None, nic: Nic, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        client.finish(client.devices.attach_nic("routed", nic))


def test_a_users_own_script_runs_as_xens_did_and_its_failure_is_told(
    out: LabHost, client: Client, guest: GuestShell, unchanged: None
) -> None:
    out.put(MINE.encode(), "/etc/xen/scripts/vif-mine")
    out.run(["chmod", "755", "/etc/xen/scripts/vif-mine"])
    nic = Nic(script="vif-mine", ips=("10.67.0.80",))
    domid = client.finish(client.devices.attach_nic("routed", nic)).domid
    client.finish(client.devices.detach_nic("routed", "0"))
    seen = out.run(["cat", "/root/mine.log"]).stdout.split()
    assert {
        "online",
        "offline",
        f"XENBUS_PATH=backend/vif/{domid}/0",
        f"vif=vif{domid}.0",
        "10.67.0.80",
    } <= set(seen)
    assert "script=/etc/xen/scripts/vif-mine" in seen
    out.run(["touch", "/root/mine.fail"])
    with pytest.raises(HostProblem, match="vif-mine"):
        client.finish(client.devices.attach_nic("routed", nic))
    assert client.devices.list("routed", "vif") == []
