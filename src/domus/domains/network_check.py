"""Where a guest's packets stop: looked for along their way, from its card to the outside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from domus.devices import attached, vif
from domus.devices.attached import Attached
from domus.devices.backends import CONNECTED, FAILED, NO_SCRIPT, BackendState
from domus.devices.vif import Join
from domus.domains import filtering
from domus.domains.detachments import VIF
from domus.model.domain import DomainInfo
from domus.model.firewall import FirewallInfo
from domus.model.names import DOM0
from domus.model.networks import CheckedStep, NetworkInfo
from domus.network import bridges, guards, nft, routes
from domus.network.iproute import SYS_NET, ip_shown, switch
from domus.programs import arun

if TYPE_CHECKING:
    from domus.domains.networks import Networks
    from domus.domains.parts import Parts

#: linux/if.h
_UP: Final = 1

_NODES: Final = ("state", "script", "hotplug-status", "hotplug-error", "mac", "ip", "vifname", "bridge")


class NetworkCheck:
    """For the event loop."""

    def __init__(self, parts: Parts, networks: Networks) -> None:
        self._parts = parts
        self._networks = networks

    async def host(self) -> list[CheckedStep]:
        """The named networks, and the cards of all running domains.

        Raises:
            DomusError: Xen or XenStore do not answer.
        """
        steps = [step for info in await self._networks.list() for step in _network(info)]
        steps += await _firewalls()
        for info in await self._parts.listing.list():
            if info.domid not in (None, DOM0) and not info.dying:
                steps += await self._domain(info)
        return steps

    async def domain(self, reference: str) -> list[CheckedStep]:
        """The cards of one domain, and what they are plugged into.

        Raises:
            DomainNotFound, WrongState (it has ended), Forbidden (domain 0).
        """
        info, _ = await self._parts.alive(reference, "check the cards of")
        return [*await self._domain(info), *await _firewalls()]

    async def _domain(self, info: DomainInfo) -> list[CheckedStep]:
        domid = info.domid or 0
        cards = await attached.devices(self._parts.store, domid, VIF)
        if not cards:
            return [_bad(info.name, None, "card", "it has no network card", "xm network-attach")]
        listing = await nft.listed(guards.FAMILY)
        networks = {each.network.name: each for each in await self._networks.list()}
        steps = []
        for card in cards:
            steps += await self._card(info, card, listing, networks)
        return steps

    async def _card(
        self,
        info: DomainInfo,
        card: Attached,
        listing: list[dict[str, Any]],
        networks: dict[str, NetworkInfo],
    ) -> list[CheckedStep]:
        if card.ref is None:
            return [
                _good(info.name, card.devid, "backend", f"domain {card.backend_domid} serves it; look there")
            ]
        nodes = dict(zip(_NODES, await attached.backend_nodes(self._parts.store, card, *_NODES), strict=True))
        device = nodes["vifname"] or vif.kernel_name(card.ref)
        of = Steps(info.name, card.devid)
        of.plugged(nodes, device)
        of.frontend(nodes)
        if not bridges.has_device(device):
            return of.found
        of.device(device)
        cards = self._parts.hotplug.cards
        join = cards.plan_of(card.ref)
        if join is None:
            return of.found
        of.guarded(join, listing)
        if cards.is_filtered(join):
            of.filtered(await filtering.of_card(info.name, join, cards.network_of(join)))
        if join.route is not None:
            await of.routed(join)
        else:
            of.bridged(join, device)
        name = self._networks.network_of(card.ref)
        if name in networks:
            of.network(networks[name], (nodes["mac"] or "").lower())
        return of.found


class Steps:
    """What is found on the way of one card's packets."""

    def __init__(self, domain: str, devid: int) -> None:
        self.found: list[CheckedStep] = []
        self._domain = domain
        self._devid = devid

    def good(self, step: str, text: str) -> None:
        """So far so well."""
        self.found.append(_good(self._domain, self._devid, step, text))

    def bad(self, step: str, text: str, hint: str = "") -> None:
        """Here they stop."""
        self.found.append(_bad(self._domain, self._devid, step, text, hint))

    def plugged(self, nodes: dict[str, str | None], device: str) -> None:
        """The backend has been plugged in."""
        if nodes["hotplug-status"] == FAILED:
            self.bad("plug", f"it is not plugged in: {nodes['hotplug-error'] or 'no reason is told'}")
        elif nodes["hotplug-status"] != CONNECTED:
            self.bad("plug", "it waits to be plugged in", "xend's log tells more, if it is to plug it in")
        elif not bridges.has_device(device):
            self.bad("device", f"dom0 has no device {device}", "is xen-netback loaded? dmesg tells more")
        elif nodes["script"] != NO_SCRIPT:
            self.good("plug", f"the script {nodes['script']} has plugged it in, without a guard of ours")
        else:
            self.good("plug", f"it is plugged in as {device}")

    def frontend(self, nodes: dict[str, str | None]) -> None:
        """The guest's driver has connected to it."""
        state = BackendState.parse(nodes["state"])
        if state is BackendState.CONNECTED:
            self.good("guest", "the guest's driver is connected")
        elif state in (BackendState.CLOSING, BackendState.CLOSED):
            self.bad(
                "guest", "the guest has closed the card", "its network driver was unloaded, or it is ending"
            )
        else:
            self.bad(
                "guest",
                "the guest's driver has not connected to the card",
                "it still boots, is paused, or has no xen-netfront",
            )

    def device(self, device: str) -> None:
        """Dom0's device is up, and carries packets."""
        if not _flags(device) & _UP:
            self.bad("device", f"{device} is down", f"ip link set {device} up")
        sent, got = _count(device, "rx_packets"), _count(device, "tx_packets")
        if sent == 0:
            self.bad(
                "device", "the guest has not sent a packet", "is its card up, with an address? ip addr, there"
            )
        else:
            self.good("device", f"the guest has sent {sent} packets and got {got}")

    def guarded(self, join: Join, listing: list[dict[str, Any]]) -> None:
        """Its guard is there, and what it dropped."""
        if join.guard is None:
            self.good("guard", "it has none: antispoof=no")
            return
        chains = {item["chain"]["name"] for item in listing if "chain" in item}
        if join.kernel_name not in chains:
            self.bad("guard", "somebody has taken its guard away", "restarting xend puts it back")
            return
        dropped = {what: count for what, count in guards.dropped(listing, join.kernel_name).items() if count}
        if not dropped:
            self.good("guard", "its guard has dropped nothing")
        for what, count in dropped.items():
            self.bad("guard", f"its guard has dropped {count} packets: {guards.FORGED[what]}", _allowed(join))

    def filtered(self, sets: Iterable[FirewallInfo]) -> None:
        """The rules of its domain and its network are there, and what they dropped."""
        for each in sets:
            if not each.active:
                self.bad(
                    "firewall",
                    f"somebody has taken its rules away: {each.target}",
                    "restarting xend puts them back",
                )
            counted = [(number, rule) for number, rule in enumerate(each.rules, start=1) if rule.dropped]
            for number, rule in counted:
                self.bad(
                    "firewall",
                    f"{rule.dropped} packets were dropped because of rule {number}, {rule.rule}",
                    f"xm firewall show {each.target}",
                )
            if each.active and not counted:
                self.good("firewall", f"the rules of {each.target} have dropped nothing")

    def bridged(self, join: Join, device: str) -> None:
        """It is in its bridge, which is up and leads somewhere."""
        bridge = join.bridge
        if not bridges.exists(bridge):
            self.bad("bridge", f"the bridge {bridge} is gone")
            return
        ports = bridges.ports(bridge)
        if device not in ports:
            self.bad("bridge", f"{device} is not in {bridge}", f"ip link set {device} master {bridge}")
        elif not _flags(bridge) & _UP:
            self.bad("bridge", f"{bridge} is down", f"ip link set {bridge} up")
        else:
            others = ", ".join(sorted(ports - {device})[:8]) or "nothing else"
            self.good("bridge", f"it is in {bridge} with {others}")

    async def routed(self, join: Join) -> None:
        """Dom0 passes its packets on."""
        for network in join.networks:
            forwarding = "ipv4/ip_forward" if network.version == 4 else "ipv6/conf/all/forwarding"
            if switch(forwarding) != "1":
                self.bad(
                    "forwarding", "dom0 passes no packets on", f"sysctl net.{forwarding.replace('/', '.')}=1"
                )
            found = await ip_shown(f"-{network.version}", "route", "show", "exact", str(network))
            ways = {str(each.get("dev")) for each in found}
            if ways == {join.final_name}:
                self.good("route", f"{network} is routed to it")
            else:
                self.bad("route", f"{network} is routed to {', '.join(sorted(ways)) or 'nowhere'}")
        outside = await routes.outside(join.gateway_device)
        if not _flags(outside) & _UP:
            self.bad("outside", f"{outside} is down", f"ip link set {outside} up")

    def network(self, info: NetworkInfo, mac: str) -> None:
        """Its named network serves it."""
        self.found += _network(info)
        if info.network.serves_dhcp:
            lease = next((each for each in info.leases if each.mac == mac), None)
            if lease is None:
                self.bad("lease", "it has not asked for an address", "does the guest run a DHCP client?")
            else:
                self.good("lease", f"it was given {lease.address}")


def _network(info: NetworkInfo) -> Iterator[CheckedStep]:
    name = info.network.name
    if not info.active:
        if info.network.autostart:
            yield _bad(f"network {name}", None, "network", "it is not active", f"xm network start {name}")
        return
    yield _good(f"network {name}", None, "network", "it is active")
    if info.network.serves_dhcp:
        if info.serving:
            yield _good(f"network {name}", None, "server", "its DHCP and DNS server runs")
        else:
            yield _bad(
                f"network {name}",
                None,
                "server",
                "its DHCP and DNS server does not run",
                f"xm network start {name}",
            )


async def _firewalls() -> list[CheckedStep]:
    """Other tables that drop what is passed on unless told otherwise."""
    done = await arun(["nft", "-j", "list", "chains"], check=False, within=20)
    items = json.loads(done.stdout)["nftables"] if not done.status else []
    found = []
    for chain in (item["chain"] for item in items if "chain" in item):
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain["table"] != nft.TABLE:
            reach = "routed"
            if Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() and (
                switch("bridge/bridge-nf-call-iptables") == "1" or chain["family"] == "bridge"
            ):
                reach = "routed and bridged"
            found.append(
                _bad(
                    "host",
                    None,
                    "firewall",
                    f"table {chain['family']} {chain['table']} drops {reach} packets that it has no rule for",
                    f"nft list chain {chain['family']} {chain['table']} {chain['name']}",
                )
            )
    return found


def _allowed(join: Join) -> str:
    if join.guard is None or not join.guard.knows:
        return "antispoof=no lets it"
    known = (*(join.guard.ipv4 or ()), *(join.guard.ipv6 or ()))
    return f"it may use {', '.join(_shown(known)) or 'no address'}; ip= says so, antispoof=no lets it"


def _shown(known: Iterable[Any]) -> Iterator[str]:
    for network in known:
        yield str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _good(about: str, devid: int | None, step: str, text: str) -> CheckedStep:
    return CheckedStep(about=about, devid=devid, step=step, passes=True, text=text)


def _bad(about: str, devid: int | None, step: str, text: str, hint: str = "") -> CheckedStep:
    return CheckedStep(about=about, devid=devid, step=step, passes=False, text=text, hint=hint)


def _flags(device: str) -> int:
    try:
        return int((SYS_NET / device / "flags").read_text(), 16)
    except (OSError, ValueError):
        return 0


def _count(device: str, name: str) -> int:
    try:
        return int((SYS_NET / device / "statistics" / name).read_text())
    except (OSError, ValueError):
        return 0
