"""What a guest forges does not arrive: sent by real guests, looked for beyond their bridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.model.config import Nic
from domus.model.errors import HostProblem
from tests.domains.guests import kill_xend
from tests.network.conftest import FAR, FAR6, Boot, GuestShell, has_card

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost


pytestmark = pytest.mark.lab

MAC, OWN, OWN6 = "00:16:3e:0a:00:01", "10.66.0.5", "fd66::5"
FORGED_MAC, FORGED, FORGED6 = "00:16:3e:0a:00:99", "10.66.0.99", "fd66::99"


@pytest.fixture(scope="module")
def guest(far: LabHost, boot: Boot) -> GuestShell:
    shell = boot("forger", Nic(bridge="br66", mac=MAC, ips=(OWN, OWN6)))
    honest(shell)
    return shell


def honest(shell: GuestShell) -> None:
    """As its configuration says."""
    shell.run("ip link set eth0 down; ip addr flush dev eth0; ip neigh flush dev eth0; true")
    shell.run(
        "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad; "
        f"ip link set eth0 address {MAC}; ip link set eth0 up"
    )
    shell.run(f"ip addr add {OWN}/24 dev eth0; ip -6 addr add {OWN6}/64 dev eth0")


@contextmanager
def captured(far: LabHost) -> Iterator[list[str]]:
    """What arrives at the far end meanwhile, a line for each packet; filled at the end."""
    far.run(
        [
            "sh",
            "-c",
            "ip netns exec far tcpdump -i eth0 -n -e -l -U >/tmp/seen 2>/tmp/tcpdump & echo $! >/tmp/pid;"
            " for i in $(seq 100); do grep -q listening /tmp/tcpdump && break; sleep 0.1; done",
        ]
    )
    lines: list[str] = []
    try:
        yield lines
    finally:
        lines += far.run(
            ["sh", "-c", "sleep 0.5; kill $(cat /tmp/pid); sleep 0.2; cat /tmp/seen"]
        ).stdout.splitlines()


def drops(far: LabHost) -> dict[str, int]:
    table = json.loads(far.run(["nft", "-j", "list", "table", "netdev", "domus"]).stdout)["nftables"]
    return {
        rule["comment"]: expression["counter"]["packets"]
        for item in table
        if "comment" in (rule := item.get("rule", {}))
        for expression in rule["expr"]
        if "counter" in expression
    }


def test_what_a_guest_sends_as_itself_arrives(far: LabHost, guest: GuestShell) -> None:
    with captured(far) as seen:
        guest.run(f"ping -c 1 -W 10 {FAR}")
        guest.run(f"ping -c 1 -W 10 {FAR6}")
        far.run(["ip", "netns", "exec", "far", "ping", "-c", "1", "-W", "10", OWN])
        far.run(["ip", "netns", "exec", "far", "ping", "-6", "-c", "1", "-W", "10", OWN6])
    assert [line for line in seen if MAC in line and "ARP" in line and "Request who-has" in line]
    assert [line for line in seen if f"{OWN} > {FAR}: ICMP echo request" in line]
    assert [line for line in seen if f"{OWN6} > {FAR6}: ICMP6, echo request" in line]


@pytest.mark.parametrize(
    ("forge", "traces", "counted"),
    [
        (f"ip link set eth0 down; ip link set eth0 address {FORGED_MAC}; ip link set eth0 up; "
         f"ip addr add {OWN}/24 dev eth0; arping -c 2 -I eth0 {FAR}; "
         f"ping -c 1 -W 2 {FAR}", (FORGED_MAC,), "mac"),
        # Whom to send to is told: asking for it would be dropped before.
        (f"ip addr flush dev eth0; ip addr add {FORGED}/24 dev eth0; arp -s {FAR} FAR; "
         f"ping -c 2 -W 1 {FAR}; arp -d {FAR}", (FORGED,), "ipv4"),
        (f"arping -A -c 2 -I eth0 -s {FORGED} {FORGED}; ip addr add {FORGED}/24 dev eth0; "
         f"arping -A -c 2 -I eth0 -s {FORGED} {FORGED}; arping -U -c 2 -I eth0 -s {FORGED} {FORGED}; "
         f"arping -c 2 -w 2 -I eth0 -s {FORGED} {FAR}", (FORGED,), "arp"),
        (f"ip -6 addr flush dev eth0; ip -6 addr add {FORGED6}/64 dev eth0; ping -c 2 -W 1 -I eth0 ff0e::1",
         (FORGED6,), "ipv6"),
        # A duplicate address is looked for, and its new owner tells everybody.
        ("cd /proc/sys/net/ipv6/conf/eth0; echo 1 > accept_dad; echo 1 > ndisc_notify; "
         f"ip -6 addr add {FORGED6}/64 dev eth0; sleep 3; ip link set eth0 down; echo 0 > accept_dad; "
         f"ip link set eth0 up; ip -6 addr add {FORGED6}/64 dev eth0; "
         f"ping -c 1 -W 1 -I {FORGED6} {FAR6}; sleep 2", (FORGED6,), "ndp"),
    ],
    ids=["MAC", "IPv4", "ARP", "IPv6", "NDP"],
)  # fmt: skip
def test_what_a_guest_forges_does_not_arrive(
    far: LabHost, guest: GuestShell, forge: str, traces: tuple[str, ...], counted: str
) -> None:
    mac = far.run(["ip", "netns", "exec", "far", "cat", "/sys/class/net/eth0/address"]).stdout.strip()
    before = drops(far)[counted]
    with captured(far) as seen:
        guest.run(f"{forge.replace('FAR;', f'{mac};')}; true")
    honest(guest)
    assert not [line for line in seen for trace in traces if trace in line]
    assert drops(far)[counted] > before, "nothing was dropped: nothing was forged"
    guest.run(f"ping -c 1 -W 10 {FAR}")


def test_the_far_end_believes_no_forged_neighbour(far: LabHost, guest: GuestShell) -> None:
    guest.run(f"ip addr add {FORGED}/24 dev eth0; ip -6 addr add {FORGED6}/64 dev eth0")
    far.run(
        [
            "ip",
            "netns",
            "exec",
            "far",
            "sh",
            "-c",
            f"ping -c 1 -W 2 {FORGED}; ping -6 -c 1 -W 2 {FORGED6}; true",
        ]
    )
    neighbours = far.run(["ip", "-n", "far", "neigh"]).stdout
    assert not [
        line for line in neighbours.splitlines() if line.startswith((FORGED, FORGED6)) and MAC in line
    ]
    honest(guest)


def test_who_is_allowed_to_may_send_from_everywhere(far: LabHost, client: Client, guest: GuestShell) -> None:
    client.finish(client.devices.attach_nic("forger", Nic(bridge="br66", antispoof=False, ips=(OWN,))))
    guest.run(
        "for i in $(seq 50); do [ -e /sys/class/net/eth1 ] && break; sleep 0.1; done; ip link set eth0 down"
    )
    guest.run(f"ip link set eth1 address {FORGED_MAC}; ip addr add {FORGED}/24 dev eth1; ip link set eth1 up")
    guest.run(f"ping -c 1 -W 10 {FAR}")
    client.finish(client.devices.detach_nic("forger", "1"))
    honest(guest)


def test_who_has_ipv4_alone_uses_no_ipv6_address_but_that_of_its_mac(
    far: LabHost, client: Client, guest: GuestShell
) -> None:
    card = Nic(bridge="br66", mac="00:16:3e:0a:00:02", ips=("10.66.0.8",))
    client.finish(client.devices.attach_nic("forger", card))
    guest.run("ip link set eth0 down")
    undoubted = "for i in $(seq 50); do cd /proc/sys/net/ipv6/conf/eth1 && break; sleep 0.1; done; cd /; "
    undoubted += "echo 0 > /proc/sys/net/ipv6/conf/eth1/accept_dad"
    guest.run(undoubted)
    has_card(guest, "eth1")
    own = "fe80::216:3eff:fe0a:2"
    there = f"ip -6 addr show dev eth1 | grep -q {own}"
    with captured(far) as seen:
        guest.run(
            f"for i in $(seq 50); do {there} && break; sleep 0.2; done; ping -c 1 -I eth1 ff02::1; true"
        )
        guest.run(f"ip -6 addr add {FORGED6}/64 dev eth1; ping -c 2 -W 1 -I {FORGED6} {FAR6}; true")
        guest.run("ip -6 addr add fe80::99/64 dev eth1; ping -c 2 -W 1 -I fe80::99 ff02::1; true")
    assert [line for line in seen if own in line and "echo request" in line]
    assert not [line for line in seen if FORGED6 in line or "fe80::99" in line]
    client.finish(client.devices.detach_nic("forger", "1"))
    # ::/0 says that it may have any.
    client.finish(client.devices.attach_nic("forger", replace(card, ips=("10.66.0.8", "::/0"))))
    guest.run(undoubted)
    has_card(guest, "eth1")
    guest.run(f"ip -6 addr add {FORGED6}/64 dev eth1; ping -c 1 -W 10 -I {FORGED6} {FAR6}")
    client.finish(client.devices.detach_nic("forger", "1"))
    honest(guest)


def test_isolated_guests_reach_the_host_and_not_each_other(far: LabHost, client: Client, boot: Boot) -> None:
    first, second = (
        boot(name, Nic(bridge="br66", ips=(address,), isolated=True))
        for name, address in (("lone1", "10.66.0.11"), ("lone2", "10.66.0.12"))
    )
    for shell, address in ((first, "10.66.0.11"), (second, "10.66.0.12")):
        shell.run(f"ip addr add {address}/24 dev eth0; ip link set eth0 up; ping -c 1 -W 10 {FAR}")
    first.run("! ping -c 2 -W 2 10.66.0.12")
    for name in ("lone1", "lone2"):
        client.finish(client.destroy(name))


def test_a_card_whose_guard_cannot_be_installed_stays_unplugged(
    far: LabHost, client: Client, guest: GuestShell
) -> None:
    nft = far.run(["sh", "-c", "readlink -f $(command -v nft)"]).stdout.strip()
    far.run(["mv", nft, f"{nft}.away"])
    try:
        with pytest.raises(HostProblem, match="packet filter refused our rules: nft is not installed"):
            client.finish(client.devices.attach_nic("forger", Nic(bridge="br66", ips=("10.66.0.7",))))
    finally:
        far.run(["mv", f"{nft}.away", nft])
    ports = far.run(["ls", "/sys/class/net/br66/brif"]).stdout.split()
    assert sorted(ports) == sorted(["far0", f"vif{client.domain('forger').domid}.0"])


def test_our_tables_are_made_anew_with_xend_and_others_are_left_alone(
    far: LabHost, guest: GuestShell
) -> None:
    far.run(
        ["nft", "-f", "-"],
        stdin=b"table inet theirs {\n chain mine {\n type filter hook input priority 0\n }\n}\n",
    )
    theirs = far.run(["nft", "list", "table", "inet", "theirs"]).stdout
    ours = far.run(["nft", "-s", "list", "table", "netdev", "domus"]).stdout
    far.run(["nft", "add", "chain", "netdev", "domus", "left"])
    kill_xend(far)
    assert far.run(["nft", "-s", "list", "table", "netdev", "domus"]).stdout == ours
    assert far.run(["nft", "list", "table", "inet", "theirs"]).stdout == theirs
    far.run(["nft", "delete", "table", "inet", "theirs"])
    guest.run(f"ping -c 1 -W 10 {FAR}")
