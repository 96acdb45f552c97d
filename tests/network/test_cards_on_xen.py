"""What a card can be told, on real cards: several of them, MTU, rate, names, queues, the host's defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domus.model.config import Nic
from tests.conftest import check_traces, traces
from tests.domains.guests import kill_xend
from tests.network.conftest import Boot, GuestShell, has_card

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

#: two bridges with dom0's address in each, and two queues for each card of a guest with two VCPUs
BRIDGES = """
for number in 1 2; do
    ip link add brc$number type bridge
    ip addr add 10.7$number.0.1/24 dev brc$number
    ip -6 addr add fd7$number::1/64 dev brc$number nodad
    ip link set brc$number up
done
echo 2 > /sys/module/xen_netback/parameters/max_queues
"""
CARDS = (
    Nic(bridge="brc1", ips=("10.71.0.5", "fd71::5")),
    Nic(bridge="brc2", ips=("10.72.0.5",), vifname="second", mtu=1400),
    Nic(bridge="brc1", ips=("10.71.0.6",), rate_bytes=62500, rate_interval_us=50000),
)


@pytest.fixture(scope="module")
def host(lab_host: LabHost) -> LabHost:
    lab_host.run(["modprobe", "xen-netback"])
    lab_host.run(["sh", "-e", "-c", BRIDGES])
    return lab_host


@pytest.fixture(scope="module")
def guest(host: LabHost, boot: Boot) -> GuestShell:
    shell = boot("many", *CARDS, vcpus=2, memory_mib=160)
    for number, address in enumerate(("10.71.0.5", "10.72.0.5", "10.71.0.6")):
        shell.run(f"ip link set eth{number} up; ip addr add {address}/24 dev eth{number}")
    return shell


def backend(host: LabHost, client: Client, devid: int, node: str) -> str:
    path = f"/local/domain/0/backend/vif/{client.domain('many').domid}/{devid}/{node}"
    return host.run(["xenstore-read", path]).stdout.strip()


def frontend(host: LabHost, client: Client, devid: int, node: str) -> str:
    path = f"/local/domain/{client.domain('many').domid}/device/vif/{devid}/{node}"
    return host.run(["xenstore-read", path]).stdout.strip()


def ports(host: LabHost, bridge: str) -> list[str]:
    return sorted(host.run(["ls", f"/sys/class/net/{bridge}/brif"]).stdout.split())


def mtu(host: LabHost, device: str) -> int:
    return int(host.run(["cat", f"/sys/class/net/{device}/mtu"]).stdout)


def test_each_of_several_cards_carries_packets_in_its_bridge(
    host: LabHost, client: Client, guest: GuestShell
) -> None:
    for source, far in (("eth0", "10.71.0.1"), ("eth1", "10.72.0.1"), ("eth2", "10.71.0.1")):
        guest.run(f"ping -c 1 -W 10 -I {source} {far}")
    domid = client.domain("many").domid
    assert {f"vif{domid}.0", f"vif{domid}.2"} <= set(
        host.run(["ls", "/sys/class/net/brc1/brif"]).stdout.split()
    )
    assert host.run(["ls", "/sys/class/net/brc2/brif"]).stdout.split() == ["second"]


def test_ipv4_and_ipv6_go_together(guest: GuestShell) -> None:
    guest.run("echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad; ip -6 addr add fd71::5/64 dev eth0")
    guest.run("ping -c 1 -W 10 -I eth0 fd71::1; ping -c 1 -W 10 -I eth0 10.71.0.1")


def test_a_card_takes_packets_as_large_as_it_is_told(
    host: LabHost, client: Client, guest: GuestShell
) -> None:
    assert host.run(["cat", "/sys/class/net/second/mtu"]).stdout.strip() == "1400"
    assert frontend(host, client, 1, "mtu") == "1400"
    guest.run("ip link set eth1 mtu 1400; ping -c 1 -W 10 -s 1372 -I eth1 10.72.0.1")
    assert (
        host.run(["cat", f"/sys/class/net/vif{client.domain('many').domid}.0/mtu"]).stdout.strip() == "1500"
    )


def test_a_rate_is_what_netback_is_told_and_packets_pass(
    host: LabHost, client: Client, guest: GuestShell
) -> None:
    assert backend(host, client, 2, "rate") == "62500,50000"
    guest.run("ping -c 3 -i 0.2 -W 10 -s 1400 -I eth2 10.71.0.1")


def test_a_card_has_a_queue_for_each_vcpu(host: LabHost, client: Client, guest: GuestShell) -> None:
    assert frontend(host, client, 0, "multi-queue-num-queues") == "2"
    assert frontend(host, client, 0, "queue-1/event-channel-tx")
    queues = guest.run("ls /sys/class/net/eth0/queues").split()
    assert sorted(queues) == ["rx-0", "rx-1", "tx-0", "tx-1"]


def test_a_card_with_all_of_it_comes_and_goes(host: LabHost, client: Client, guest: GuestShell) -> None:
    before = traces(host, "network devices")
    nic = Nic(
        bridge="brc2", ips=("10.72.0.9",), vifname="third", mtu=1300, rate_bytes=62500, rate_interval_us=50000
    )
    client.finish(client.devices.attach_nic("many", nic))
    has_card(guest, "eth3")
    guest.run("ip addr add 10.72.0.9/24 dev eth3; ping -c 1 -W 10 -I eth3 10.72.0.1")
    assert ports(host, "brc2") == ["second", "third"]
    client.finish(client.devices.detach_nic("many", "3"))
    check_traces(host, before)


def test_how_cards_are_plugged_in_that_do_not_say_is_the_hosts_to_decide(
    host: LabHost, client: Client, guest: GuestShell
) -> None:
    # As `(vif-script vif-nat)` of xend-config.sxp.
    host.run(["sh", "-c", "printf '[guests]\\nvif_script = \"vif-nat\"\\n' > /etc/xen/xend.toml"])
    kill_xend(host)
    domid = client.finish(client.devices.attach_nic("many", Nic(gateway_device="brc1"))).domid
    has_card(guest, "eth3")
    gateway = f"10.0.{domid}.{4 + 127}"
    guest.run(f"ip addr add 10.0.{domid}.4/16 dev eth3; ping -c 1 -W 10 -I eth3 {gateway}")
    client.finish(client.devices.detach_nic("many", "3"))
    host.run(["rm", "/etc/xen/xend.toml"])
    kill_xend(host)
