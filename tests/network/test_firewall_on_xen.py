"""Rules of domains and networks: real packets that pass and do not, and rules that never get lost."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from domus.model.config import DomainConfig, Nic
from domus.model.errors import BadInput, Conflict, DomusError, HostProblem, InUse, NotFound
from domus.model.firewall import Firewall
from domus.model.networks import Network, NetworkKind
from tests.domains.guests import kill_xend
from tests.network.conftest import FAR, Boot, GuestShell, has_card

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

pytestmark = pytest.mark.lab

OWN, OTHER = "10.66.0.5", "10.66.0.6"
OUTSIDE = """
ip link add out67 type bridge
ip addr add 10.67.0.1/24 dev out67
ip link set out67 up
"""
RULES = ("allow in tcp 22,80-90 from 10.66.0.0/24", "allow in icmp", "deny in", "deny out udp")


@pytest.fixture(scope="module")
def far(far: LabHost) -> LabHost:
    far.run(["sh", "-e", "-c", OUTSIDE])
    return far


@pytest.fixture(scope="module")
def guest(far: LabHost, boot: Boot) -> GuestShell:
    shell = boot("walled", Nic(bridge="br66", ips=(OWN, "fd66::5")), firewall=RULES)
    shell.run(
        "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set eth0 up; "
        f"ip addr add {OWN}/24 dev eth0; ip -6 addr add fd66::5/64 dev eth0"
    )
    return shell


def gets_in(far: LabHost, address: str, port: int, *, namespace: str = "far") -> bool:
    """The guest says that nobody listens there; what is dropped is not answered."""
    line = f"timeout 3 ip netns exec {namespace} bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>&1; true"
    said = far.run(["sh", "-c", line]).stdout
    assert "refused" in said or not said, said
    return "refused" in said


def gets_out(shell: GuestShell, address: str, port: int) -> bool:
    """Likewise from the guest."""
    return "refused" in shell.run(f"timeout 3 nc {address} {port} < /dev/null 2>&1; true")


def ruleset(far: LabHost) -> str:
    return far.run(["nft", "-s", "list", "ruleset"]).stdout


def test_what_rules_allow_arrives_and_nothing_else(far: LabHost, client: Client, guest: GuestShell) -> None:
    assert gets_in(far, OWN, 22)
    assert gets_in(far, OWN, 85)
    assert not gets_in(far, OWN, 23)
    assert not gets_in(far, "fd66::5", 22), "the rule names IPv4 addresses alone"
    far.run(["ip", "netns", "exec", "far", "ping", "-c", "1", "-W", "10", OWN])
    far.run(["ip", "netns", "exec", "far", "ping", "-6", "-c", "1", "-W", "10", "fd66::5"])
    dropped = {each.rule: each.dropped for each in client.firewall.get("walled").rules}
    assert (dropped["deny in"] or 0) > 0
    assert dropped["allow in icmp"] is None


def test_answers_to_what_the_guest_begins_come_back(far: LabHost, guest: GuestShell) -> None:
    assert gets_out(guest, FAR, 23)
    assert "Connection refused" not in guest.run(f"timeout 3 nc -u -w 1 {FAR} 53 < /dev/null 2>&1; true")
    guest.run(f"ping -c 1 -W 10 {FAR}")


def test_dom0_is_behind_the_rules_too(far: LabHost, guest: GuestShell) -> None:
    far.run(["ip", "addr", "add", "10.66.0.2/24", "dev", "br66"])
    said = far.run(["sh", "-c", f"timeout 3 bash -c 'exec 3<>/dev/tcp/{OWN}/23' 2>&1; true"]).stdout
    assert "refused" not in said
    said = far.run(["sh", "-c", f"timeout 3 bash -c 'exec 3<>/dev/tcp/{OWN}/22' 2>&1; true"]).stdout
    assert "refused" in said
    far.run(["ip", "addr", "del", "10.66.0.2/24", "dev", "br66"])


def test_rules_are_changed_while_the_guest_runs(far: LabHost, client: Client, guest: GuestShell) -> None:
    client.firewall.put("walled", Firewall(rules=("allow in tcp 23", *RULES)))
    assert gets_in(far, OWN, 23)
    client.firewall.put("walled", Firewall(instead_of=("allow in tcp 23", *RULES)))
    assert gets_in(far, OWN, 24)
    assert "table bridge domus" not in ruleset(far)
    client.firewall.put("walled", Firewall(rules=RULES))
    assert not gets_in(far, OWN, 24)
    (info,) = client.firewall.list()
    assert (info.target, info.active, info.texts) == ("walled", True, RULES)


def test_rules_made_from_others_than_there_are_are_refused(client: Client, guest: GuestShell) -> None:
    with pytest.raises(Conflict, match="changed meanwhile"):
        client.firewall.put("walled", Firewall(rules=(), instead_of=("deny in",)))
    with pytest.raises(BadInput, match="begins with allow or deny"):
        client.firewall.put("walled", Firewall(rules=("let me in",)))
    with pytest.raises(NotFound, match="no network 'none'"):
        client.firewall.get("network/none")
    assert client.firewall.get("walled").texts == RULES


def test_rules_stand_while_no_xend_is_there_and_another_one_keeps_them(
    far: LabHost, client: Client, guest: GuestShell
) -> None:
    theirs = b"table bridge theirs {\n chain mine {\n type filter hook forward priority 5\n }\n}\n"
    far.run(["nft", "-f", "-"], stdin=theirs)
    before = ruleset(far)
    pid = far.run(["cat", "/run/domus/xend.pid"]).stdout.strip()
    far.run(["kill", "-STOP", pid])
    assert not gets_in(far, OWN, 23)
    far.run(["kill", "-CONT", pid])
    kill_xend(far)
    assert sorted(ruleset(far).splitlines()) == sorted(before.splitlines())
    assert not gets_in(far, OWN, 23)
    assert gets_in(far, OWN, 22)
    far.run(["nft", "delete", "table", "bridge", "theirs"])


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3])
def test_xend_killed_in_the_middle_leaves_the_rules_of_before_or_those_of_after(
    far: LabHost, client: Client, guest: GuestShell, after: float
) -> None:
    def ask() -> None:
        with far.client() as other, suppress(DomusError):
            other.firewall.put("walled", Firewall(rules=("allow in tcp 23", *RULES)))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(after)
    kill_xend(far)
    asking.join()
    now = client.firewall.get("walled").texts
    assert now in (RULES, ("allow in tcp 23", *RULES))
    assert gets_in(far, OWN, 23) == (now != RULES)
    assert not gets_in(far, OWN, 24)
    client.firewall.put("walled", Firewall(rules=RULES))


def test_between_two_guests_both_decide(far: LabHost, client: Client, guest: GuestShell, boot: Boot) -> None:
    other = boot("other", Nic(bridge="br66", ips=(OTHER,)), firewall=("deny out tcp 85", "deny in tcp 99"))
    other.run(f"ip addr add {OTHER}/24 dev eth0; ip link set eth0 up")
    assert gets_out(other, OWN, 22)
    assert not gets_out(other, OWN, 23), "its receiver denies it"
    assert not gets_out(other, OWN, 85), "its sender denies it"
    assert gets_out(guest, OTHER, 98)
    assert not gets_out(guest, OTHER, 99)
    client.finish(client.destroy("other"))
    assert "domain-" in ruleset(far)
    assert [each.target for each in client.firewall.list()] == ["walled"]


def test_the_check_says_what_rules_dropped(far: LabHost, client: Client, guest: GuestShell) -> None:
    assert not gets_in(far, OWN, 23)
    (step,) = [step for step in client.networks.check("walled") if step.step == "firewall"]
    assert "because of rule 3, deny in" in step.text
    far.run(["nft", "delete", "table", "bridge", "domus"])
    (step,) = [step for step in client.networks.check("walled") if step.step == "firewall"]
    assert not step.passes
    assert "taken its rules away" in step.text
    kill_xend(far)
    assert not gets_in(far, OWN, 23)


def test_the_rules_of_a_network_stand_before_all_its_cards_and_its_dhcp_goes_on(
    far: LabHost, client: Client, guest: GuestShell
) -> None:
    client.networks.define(
        Network(name="inner", address="192.168.150.1/24", firewall=("allow in tcp 22", "deny in", "deny out"))
    )
    client.networks.start("inner")
    client.finish(client.devices.attach_nic("walled", Nic(network="inner")))
    has_card(guest, "eth1")
    guest.run("udhcpc -i eth1 -n -q -t 10 -T 1")
    assert "192.168.150.2" in guest.run("ifconfig eth1")
    guest.run("! ping -c 1 -W 2 192.168.150.1")
    client.firewall.put("network/inner", Firewall(rules=("deny in",)))
    guest.run("ping -c 1 -W 10 192.168.150.1")
    far.run(["sh", "-c", "! ping -c 1 -W 2 192.168.150.2"])
    assert client.networks.get("inner").network.firewall == ("deny in",)
    kill_xend(far)
    far.run(["sh", "-c", "! ping -c 1 -W 2 192.168.150.2"])
    client.firewall.put("network/inner", Firewall())
    far.run(["sh", "-c", "ping -c 1 -W 10 192.168.150.2"])
    client.finish(client.devices.detach_nic("walled", "1"))
    client.networks.stop("inner")
    client.networks.undefine("inner")


def test_a_network_that_is_a_bridge_of_the_hosts_has_its_rules_from_the_first_card_on(
    far: LabHost, client: Client, guest: GuestShell
) -> None:
    wall = Network(name="wall", kind=NetworkKind.BRIDGE, bridge="br67", firewall=("deny in",))
    client.networks.define(wall)
    far.run(
        ["sh", "-c", "ip link add br67 type bridge; ip addr add 10.68.0.1/24 dev br67; ip link set br67 up"]
    )
    client.finish(client.devices.attach_nic("walled", Nic(network="wall", ips=("10.68.0.5",))))
    has_card(guest, "eth1")
    guest.run("ip addr add 10.68.0.5/24 dev eth1; ping -c 1 -W 10 10.68.0.1")
    far.run(["sh", "-c", "! ping -c 1 -W 2 10.68.0.5"])
    with pytest.raises(InUse, match="in use by walled"):
        client.networks.undefine("wall")
    client.networks.change(replace(wall, firewall=()))
    far.run(["sh", "-c", "ping -c 1 -W 10 10.68.0.5"])
    client.networks.change(wall)
    far.run(["sh", "-c", "! ping -c 1 -W 2 10.68.0.5"])
    client.finish(client.devices.detach_nic("walled", "1"))
    client.networks.undefine("wall")
    far.run(["ip", "link", "del", "br67"])


def test_a_routed_card_is_behind_its_domains_rules(far: LabHost, client: Client, guest: GuestShell) -> None:
    nic = Nic(script="vif-route", ips=("10.67.0.77",), gateway_device="out67")
    client.finish(client.devices.attach_nic("walled", nic))
    has_card(guest, "eth1")
    guest.run("ip addr add 10.67.0.77/32 dev eth1; ip route add 10.67.0.1 dev eth1")
    guest.run("ping -c 1 -W 10 10.67.0.1")
    far.run(["ping", "-c", "1", "-W", "10", "10.67.0.77"])
    said = far.run(["sh", "-c", "timeout 3 bash -c 'exec 3<>/dev/tcp/10.67.0.77/23' 2>&1; true"]).stdout
    assert "refused" not in said
    client.firewall.put("walled", Firewall(rules=("deny out udp",)))
    said = far.run(["sh", "-c", "timeout 3 bash -c 'exec 3<>/dev/tcp/10.67.0.77/23' 2>&1; true"]).stdout
    assert "refused" in said
    client.firewall.put("walled", Firewall(rules=RULES))
    client.finish(client.devices.detach_nic("walled", "1"))


@pytest.mark.parametrize(
    ("nic", "message"),
    [
        (Nic(bridge="br66", script="/etc/hostname"), "its own script plugs it in"),
        (Nic(bridge="ovs0", script="vif-openvswitch"), "Open vSwitch passes its packets on"),
        (Nic(bridge="br66", backend_domain="walled"), "domain walled plugs it in"),
    ],
)
def test_a_card_before_which_no_rules_can_stand_is_refused(
    client: Client, guest: GuestShell, nic: Nic, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        client.finish(client.devices.attach_nic("walled", nic))


def test_a_card_whose_rules_cannot_be_installed_stays_unplugged(
    far: LabHost, client: Client, guest: GuestShell
) -> None:
    ports = far.run(["ls", "/sys/class/net/br66/brif"]).stdout
    kept = ruleset(far)
    nft = far.run(["sh", "-c", "readlink -f $(command -v nft)"]).stdout.strip()
    far.run(["mv", nft, f"{nft}.away"])
    try:
        with pytest.raises(HostProblem, match="packet filter refused our rules"):
            client.finish(client.devices.attach_nic("walled", Nic(bridge="br66", antispoof=False)))
        with pytest.raises(HostProblem, match="packet filter refused our rules"):
            client.firewall.put("walled", Firewall())
    finally:
        far.run(["mv", f"{nft}.away", nft])
    assert far.run(["ls", "/sys/class/net/br66/brif"]).stdout == ports
    assert ruleset(far) == kept
    assert client.firewall.get("walled").texts == RULES


def test_a_managed_domain_keeps_its_rules_in_its_history_and_after_a_restart(
    far: LabHost, client: Client, guest: GuestShell, guest_config: DomainConfig
) -> None:
    config = replace(guest_config, name="kept", nics=(Nic(bridge="br66", ips=(OTHER,)),), disks=())
    client.managed.define(config)
    client.firewall.put("kept", Firewall(rules=("deny in",)))
    assert not client.firewall.get("kept").active
    client.finish(client.managed.start("kept"))
    assert client.firewall.get("kept").active
    client.firewall.put("kept", Firewall(rules=("allow in icmp", "deny in")))
    revisions = client.managed.history("kept")
    assert [each.config.firewall for each in revisions] == [(), ("deny in",), ("allow in icmp", "deny in")]
    assert [each.what for each in revisions][1:] == ["firewall of 1 rules", "firewall of 2 rules"]
    assert client.config("kept").firewall == ("allow in icmp", "deny in")
    client.finish(client.destroy("kept"))
    client.managed.delete("kept")
    client.finish(client.destroy("walled"))
    assert "domus" not in ruleset(far)
