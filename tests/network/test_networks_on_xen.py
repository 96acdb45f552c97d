"""Named networks on a real host: defined, served, used by guests, kept over a killed xend, and gone again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from domus.model.config import Nic
from domus.model.errors import AlreadyExists, BadInput, InUse, NotFound, WrongState
from domus.model.networks import Network, NetworkKind
from domus.model.operation import OperationState
from tests.domains.guests import eventually, kill_xend
from tests.network.conftest import Boot, GuestShell, has_no_card, host_state

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost


pytestmark = pytest.mark.lab

#: the outside, which knows no way back to the guests
OUTSIDE = """
# What stays: with it, addresses of every device come and go.
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip netns add out
ip link add out0 type veth peer name eth0 netns out
ip addr add 10.68.0.1/24 dev out0
ip link set out0 up
ip -n out addr add 10.68.0.2/24 dev eth0
ip -n out link set eth0 up
ip -n out link set lo up
# The kernel gives it an address and routes of its own, after a while.
for i in $(seq 100); do
    ip -6 addr show dev out0 scope link -tentative | grep -q fe80 && break
    sleep 0.1
done
"""
NET = Network(name="default", address="192.168.140.1/24", address6="fd40::1/64", outside="out0")
MAC = "00:16:3e:0a:00:40"


@pytest.fixture(scope="module")
def out(lab_host: LabHost) -> LabHost:
    lab_host.run(["sh", "-e", "-c", OUTSIDE])
    return lab_host


@pytest.fixture(scope="module")
def untouched(out: LabHost) -> list[str]:
    return host_state(out)


@pytest.fixture(scope="module")
def guest(untouched: list[str], client: Client, boot: Boot) -> GuestShell:
    client.networks.define(NET)
    client.networks.start("default")
    return boot("web", Nic(network="default", mac=MAC), kernel_ip="dhcp")


def test_a_guest_gets_its_address_by_dhcp_and_goes_out_under_the_hosts(
    out: LabHost, client: Client, guest: GuestShell
) -> None:
    assert "192.168.140.2" in guest.run("ifconfig eth0")
    guest.run("ping -c 1 -W 10 10.68.0.2")
    info = client.networks.get("default")
    assert info.active
    assert info.serving
    (card,) = info.cards
    assert (card.domain, card.mac) == ("web", MAC)
    assert card.addresses == ("192.168.140.2", "fd40::216:3eff:fe0a:40")
    assert [(lease.mac, lease.address) for lease in info.leases] == [(MAC, "192.168.140.2")]


def test_names_are_resolved_by_the_networks_server(out: LabHost, guest: GuestShell) -> None:
    assert "192.168.140.1" in guest.run("nslookup gateway.default 192.168.140.1")
    assert "192.168.140.2" in guest.run("nslookup web.default 192.168.140.1")


def test_ipv6_comes_by_the_routers_advertisement(out: LabHost, guest: GuestShell) -> None:
    guest.run("for i in $(seq 100); do ip -6 addr show dev eth0 | grep -q fd40 && break; sleep 0.2; done")
    guest.run("ping -c 1 -W 10 fd40::1")


def test_a_guest_uses_no_other_address_than_its_own(out: LabHost, guest: GuestShell) -> None:
    guest.run("ip addr add 192.168.140.99/24 dev eth0; ! ping -c 1 -W 2 -I 192.168.140.99 192.168.140.1")
    guest.run("ip addr del 192.168.140.99/24 dev eth0; ping -c 1 -W 10 192.168.140.1")


def test_the_check_says_where_packets_stop(out: LabHost, client: Client, guest: GuestShell) -> None:
    def stops() -> set[str]:
        return {step.step for step in client.networks.check("web") if not step.passes}

    guest.run("ping -c 1 -W 10 192.168.140.1; ip addr add 192.168.140.99/24 dev eth0")
    guest.run("! ping -c 1 -W 2 -I 192.168.140.99 192.168.140.1; ip addr del 192.168.140.99/24 dev eth0")
    assert stops() == {"guard"}
    device = f"vif{client.domain('web').domid}.0"
    out.run(["ip", "link", "set", device, "nomaster"])
    assert stops() == {"guard", "bridge"}
    out.run(["ip", "link", "set", device, "master", "xn-default", "down"])
    assert stops() == {"guard", "device"}
    out.run(["ip", "link", "set", device, "up"])
    out.run(["nft", "delete", "chain", "netdev", "domus", device])
    assert stops() == {"guard"}
    kill_xend(out)
    assert stops() == set()
    guest.run("ping -c 1 -W 10 192.168.140.1")


def test_a_killed_xend_changes_nothing_for_guests_and_finds_the_server_again(
    out: LabHost, client: Client, guest: GuestShell
) -> None:
    pid = out.run(["cat", "/run/domus/networks/default/pid"]).stdout
    ruleset = out.run(["nft", "-s", "list", "ruleset"]).stdout.splitlines()
    kill_xend(out)
    guest.run("ping -c 1 -W 10 10.68.0.2; nslookup gateway.default 192.168.140.1")
    assert out.run(["cat", "/run/domus/networks/default/pid"]).stdout == pid
    # The tables are listed in the order in which they were made anew.
    assert sorted(out.run(["nft", "-s", "list", "ruleset"]).stdout.splitlines()) == sorted(ruleset)
    assert client.networks.get("default").serving


def test_a_server_that_dies_is_started_again(out: LabHost, client: Client, guest: GuestShell) -> None:
    pid = out.run(["cat", "/run/domus/networks/default/pid"]).stdout.strip()
    out.run(["kill", "-9", pid])
    eventually(lambda: client.networks.get("default").serving)
    guest.run("udhcpc -i eth0 -n -q -t 10 -T 1; nslookup gateway.default 192.168.140.1")


def test_a_card_can_be_attached_by_the_networks_name(client: Client, guest: GuestShell) -> None:
    client.finish(client.devices.attach_nic("web", Nic(network="default")))
    guest.run("for i in $(seq 50); do [ -e /sys/class/net/eth1 ] && break; sleep 0.1; done")
    guest.run("ifconfig eth1 up; udhcpc -i eth1 -n -q -t 10 -T 1")
    assert "192.168.140.3" in guest.run("ifconfig eth1")
    client.finish(client.devices.detach_nic("web", "1"))
    has_no_card(guest, "eth1")


def test_what_cannot_be_is_refused(client: Client, guest: GuestShell) -> None:
    with pytest.raises(InUse, match="in use by web"):
        client.networks.stop("default")
    with pytest.raises(WrongState, match="is active"):
        client.networks.undefine("default")
    with pytest.raises(AlreadyExists, match="defined already"):
        client.networks.define(NET)
    with pytest.raises(AlreadyExists, match=r"network 'default' has 192\.168\.140\.0/24 already"):
        client.networks.define(Network(name="other", address="192.168.140.9/25"))
    with pytest.raises(NotFound, match="no network 'none'"):
        client.finish(client.devices.attach_nic("web", Nic(network="none")))
    with pytest.raises(BadInput, match=r"ip=10\.0\.0\.1/32 is not in network default"):
        client.finish(client.devices.attach_nic("web", Nic(network="default", ips=("10.0.0.1",))))


def test_guests_of_an_isolated_network_reach_the_host_and_no_further(
    out: LabHost, client: Client, guest: GuestShell
) -> None:
    client.networks.define(Network(name="lonely", kind=NetworkKind.ISOLATED, address="192.168.141.1/24"))
    client.networks.start("lonely")
    client.finish(client.devices.attach_nic("web", Nic(network="lonely")))
    guest.run("for i in $(seq 50); do [ -e /sys/class/net/eth1 ] && break; sleep 0.1; done; ifconfig eth1 up")
    guest.run("udhcpc -i eth1 -n -q -t 10 -T 1; ping -c 1 -W 10 192.168.141.1; ifconfig eth0 down")
    guest.run("route add default gw 192.168.141.1; ! ping -c 2 -W 2 10.68.0.2")
    client.finish(client.devices.detach_nic("web", "1"))
    has_no_card(guest, "eth1")
    client.networks.stop("lonely")
    client.networks.undefine("lonely")


@pytest.mark.parametrize("after", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("verb", ["start", "stop"])
def test_xend_killed_in_the_middle_leaves_a_network_that_is_whole_or_none(
    out: LabHost, client: Client, guest: GuestShell, verb: str, after: float
) -> None:
    import threading

    name = f"cut{verb}{int(after * 10)}"
    client.networks.define(Network(name=name, autostart=False))
    if verb == "stop":
        client.networks.start(name)

    def ask() -> None:
        with out.client() as other:
            try:
                getattr(other.networks, verb)(name)
            except Exception:
                return

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(after)
    kill_xend(out)
    asking.join()
    info = client.networks.get(name)
    ended = [each for each in client.operations() if each.kind == f"network-{verb}"][-1:]
    if verb == "start" and ended and ended[0].state is not OperationState.DONE:
        assert not info.active
    assert info.serving == info.active
    if info.active:
        client.networks.stop(name)
    client.networks.undefine(name)


def test_a_stopped_network_leaves_the_host_as_it_was(
    out: LabHost, client: Client, guest: GuestShell, untouched: list[str]
) -> None:
    client.finish(client.destroy("web"))
    client.networks.stop("default")
    assert host_state(out) == untouched
    assert "dnsmasq" not in out.run(["ps", "-eo", "comm="]).stdout
    client.networks.undefine("default")
    assert client.networks.list() == []
