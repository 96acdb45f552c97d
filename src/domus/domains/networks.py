"""Named networks: defined, started and stopped as wholes, kept, and started with xend."""

from __future__ import annotations

import builtins
import logging
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from domus.devices import vif
from domus.devices.backends import DeviceRef
from domus.devices.cards import Cards
from domus.domains import prepare
from domus.domains.carry_out import carry_out
from domus.domains.filtering import check_filtered, check_unchanged
from domus.domains.journal import PutNetwork, StopNetwork, UndoRecord
from domus.domains.kept_networks import KeptNetworks
from domus.domains.network_servers import NetworkServers
from domus.model.config import DomainConfig, Nic
from domus.model.errors import AlreadyExists, BadInput, DomusError, InUse, NoCapacity, NotFound, WrongState
from domus.model.firewall import Firewall, parse_all
from domus.model.networks import Network, NetworkCard, NetworkInfo, checked
from domus.network import guards, named
from domus.network.iproute import ip_shown

if TYPE_CHECKING:
    from domus.domains.operations import OperationHandle
    from domus.domains.parts import Parts

log = logging.getLogger(__name__)

_LOCK: Final = "networks"

#: where addresses for networks that name none are looked for
_CHOICE: Final = tuple(f"192.168.{number}.1/24" for number in range(130, 230))


class Networks:
    """The named networks of this host. For the event loop.

    Args:
        folder: where leases are kept.
    """

    def __init__(self, parts: Parts, folder: Path) -> None:
        self._parts = parts
        self._kept = KeptNetworks(parts.database)
        self._servers = NetworkServers(folder, lambda name: self.start(name, who="xend"))

    @property
    def _cards(self) -> Cards:
        return self._parts.hotplug.cards

    # xend's own life

    async def note(self) -> None:
        """Tell the packet filter of all that there are, before it is made anew."""
        self._cards.note_networks(await self._defined())

    async def begin(self) -> None:
        """Start those that start with xend; those that are active get back what they lost."""
        for network in (await self._kept.all()).values():
            if not (network.autostart or named.is_active(network)):
                continue
            try:
                await self._start(network, who="xend")
            except DomusError as error:
                log.error("network %s is not started: %s", network.name, error.for_user())

    async def close(self) -> None:
        """They go on without xend."""
        self._servers.close()

    # Looking

    async def list(self) -> builtins.list[NetworkInfo]:
        """All of them, by name."""
        return [self._info(network) for network in (await self._kept.all()).values()]

    async def get(self, name: str) -> NetworkInfo:
        """One of them.

        Raises:
            NotFound: there is none of that name.
        """
        return self._info(await self._named(name))

    async def _named(self, name: str) -> Network:
        networks = await self._kept.all()
        if name not in networks:
            have = ", ".join(networks) or "none at all"
            raise NotFound(f"this host has no network {name[:40]!r}", hint=f"it has: {have}")
        return networks[name]

    def _info(self, network: Network) -> NetworkInfo:
        server = self._servers.of(network)
        return NetworkInfo(
            network=network,
            active=named.is_active(network),
            serving=server.wanted and server.pid() is not None,
            cards=tuple(self._cards_in(network)),
            leases=tuple(server.leases()) if server.wanted else (),
        )

    def network_of(self, device: DeviceRef) -> str:
        """The network that a card was plugged into by name; "": none."""
        for kept in self._parts.kept:
            if kept.domid == device.domid:
                nics = kept.config.nics
                names = {devid: nic.network for devid, nic in zip(vif.devids(nics), nics, strict=True)}
                return names.get(device.devid) or ""
        return ""

    def _cards_in(self, network: Network) -> builtins.list[NetworkCard]:
        found = []
        for kept in self._parts.kept:
            if kept.domid is None:
                continue
            nics = kept.config.nics
            for devid, nic in zip(vif.devids(nics), nics, strict=True):
                if nic.network == network.name:
                    addresses = self._cards.addresses(kept.domid, devid)
                    found.append(
                        NetworkCard(
                            domain=kept.config.name, devid=devid, mac=nic.mac or "", addresses=addresses
                        )
                    )
        return found

    # Changing

    async def define(self, network: Network, *, who: str) -> NetworkInfo:
        """Keep a new one; it is not started.

        Raises:
            BadInput: it cannot be.
            AlreadyExists: there is one of that name.
        """
        checked(network)
        networks = await self._kept.all()
        if network.name in networks:
            raise AlreadyExists(f"network {network.name!r} is defined already", hint="xm network edit")
        return await self._keep(network, networks, who=who)

    async def change(self, network: Network, *, who: str) -> NetworkInfo:
        """Keep another definition of one that is not active.

        Raises:
            BadInput: it cannot be.
            NotFound: there is none of that name.
            WrongState: it is active.
        """
        checked(network)
        await self._inactive(network.name)
        return await self._keep(network, await self._kept.all(), who=who)

    async def undefine(self, name: str) -> None:
        """Forget one that is not active.

        Raises:
            NotFound; WrongState: it is active; InUse: cards are in the bridge that it stands for.
        """
        await self._inactive(name)
        self._check_unused(await self._named(name))
        await self._kept.forget(name)
        await self.note()
        self._servers.forget(name)

    async def autostart(self, name: str, autostart: bool) -> NetworkInfo:
        """Start it with xend from now on, or do not.

        Raises:
            NotFound: there is none of that name.
        """
        await self._kept.put(replace(await self._named(name), autostart=autostart))
        return await self.get(name)

    def _check_unused(self, network: Network) -> None:
        if cards := self._cards_in(network):
            domains = ", ".join(sorted({card.domain for card in cards})[:5])
            raise InUse(f"network {network.name!r} is in use by {domains}", hint="detach their cards first")

    async def _inactive(self, name: str) -> None:
        network = await self._named(name)
        if network.has_own_bridge and named.is_active(network):
            raise WrongState(f"network {name!r} is active", hint=f"xm network stop {name}")

    async def _keep(self, network: Network, networks: dict[str, Network], *, who: str) -> NetworkInfo:
        others = [each for each in networks.values() if each.name != network.name]
        if network.has_own_bridge:
            if any(other.device == network.device for other in others):
                raise AlreadyExists(
                    f"another network has the bridge {network.device!r}", hint="bridge= names one"
                )
            if not network.address and network.dhcp:
                network = replace(network, address=await _choose(others))
            _check_apart(network, others)
        if network.name in networks and named.is_active(network):  # a bridge of the host's own
            await self._filter(networks[network.name], network, who=who)
        else:
            await self._kept.put(network)
            await self.note()
        return await self.get(network.name)

    async def filter(self, name: str, wanted: Firewall, *, who: str) -> None:
        """Let other rules stand before the cards of a network, also of one that is active.

        Raises:
            NotFound: there is none of that name.
            BadInput: one is no rule.
            Conflict: they are not those that the caller has seen.
            Busy; HostProblem: the kernel refuses them, and nothing has changed.
        """
        rules = tuple(map(str, parse_all(wanted.rules)))
        before = await self._named(name)
        check_unchanged(before.firewall, wanted)

        await self._filter(before, replace(before, firewall=rules), who=who)

    async def _filter(self, before: Network, after: Network, *, who: str) -> None:
        async def body(operation: OperationHandle[UndoRecord]) -> None:
            async with operation.step("filtering packets", undo=PutNetwork(before)):
                await self._put(after)

        await self._carry_out("network-firewall", before.name, who, body)

    async def _put(self, network: Network) -> None:
        """Keep a definition, and let its rules stand before its cards."""
        await self._kept.put(network)
        await self._cards.translate(await self._defined())

    # Starting and stopping

    async def start(self, name: str, *, who: str) -> NetworkInfo:
        """Make its bridge, its packet filter, and let its server run; harmless when that is so.

        Raises:
            NotFound: there is none of that name, or it stands for a bridge that is not there.
            Busy: another network is being changed.
            Conflict, HostProblem, ProgramFailed: it cannot be made; nothing is left of it.
        """
        await self._start(await self._named(name), who=who)
        return await self.get(name)

    async def _start(self, network: Network, *, who: str) -> None:
        there = named.is_active(network)

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            # One that guests are in must not be taken from them because its server does not start.
            async with operation.step("making its bridge", undo=None if there else StopNetwork(network)):
                await named.make(network)
            async with operation.step("filtering packets"):
                await self._cards.translate(await self._defined())
            server = self._servers.of(network)
            if server.wanted:
                async with operation.step("serving addresses and names"):
                    await server.start(await self._kept.reservations(network.name))
                    self._servers.watch(network)

        await self._carry_out("network-start", network.name, who, body)

    async def stop(self, name: str, *, who: str) -> NetworkInfo:
        """Take it out of dom0; once begun it is carried through.

        Raises:
            NotFound: there is none of that name.
            WrongState: it stands for a bridge of the host, which stays.
            InUse: there are cards in it.
            Busy: another network is being changed.
        """
        network = await self._named(name)
        if not network.has_own_bridge:
            raise WrongState(f"network {name!r} is a bridge of the host, which xend does not take away")

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            self._check_unused(network)
            await operation.commit(StopNetwork(network))
            await self._take_down(network)

        await self._carry_out("network-stop", name, who, body)
        return await self.get(name)

    async def undo(self, record: StopNetwork | PutNetwork) -> None:
        """Take it out of dom0, whatever of it is there; or put its rules back."""
        if isinstance(record, PutNetwork):
            await self._kept.put(record.network)
            try:
                await self._cards.translate(await self._defined())
            except DomusError as error:
                # What could not be changed could not be changed back: the kernel has the rules of before.
                log.error("rules of network %s: %s", record.network.name, error.for_user())
        else:
            await self._take_down(record.network)

    async def _take_down(self, network: Network) -> None:
        self._servers.let_go(network.name)
        self._servers.of(network).stop()
        await named.unmake(network)
        await self._cards.translate(await self._defined())

    async def _defined(self) -> builtins.list[Network]:
        return list((await self._kept.all()).values())

    async def _carry_out(self, kind: str, name: str, who: str, body: object) -> None:
        await carry_out(
            self._parts,
            kind,
            body,  # type: ignore[arg-type]
            lock=_LOCK,
            name=name,
            doing="a network is being changed",
            who=who,
        )

    # Cards

    async def resolved(self, config: DomainConfig) -> DomainConfig:
        """`config` with the bridges and addresses of the networks that its cards name.

        Raises:
            As `resolved_card`.
        """
        if not config.firewall and all(nic.network is None for nic in config.nics):
            return config
        nics = [
            await self.resolved_card(nic, config, f"vif[{place}]") for place, nic in enumerate(config.nics)
        ]
        return replace(config, nics=tuple(nics))

    async def resolved_card(self, nic: Nic, config: DomainConfig, where: str) -> Nic:
        """A card with the bridge of the network that it names, and the addresses that it has there.

        Args:
            config: its domain's.

        Raises:
            NotFound, WrongState: there is no such network, or it is not active.
            BadInput: an address that is not of this network, a way of plugging that is not a bridge, or one
                in which its domain's rules cannot be enforced.
            AlreadyExists, NoCapacity: the address is taken, or all are.
        """
        if config.firewall:
            check_filtered(nic, where)
        if nic.network is None:
            return nic
        if (
            nic.bridge is not None
            or nic.backend_domain not in prepare.DOM0_NAMES
            or vif.mode(nic.script) is not vif.Mode.BRIDGE
        ):
            raise BadInput(
                f"network={nic.network} says how it is plugged in",
                where=where,
                hint="no bridge=, script=, backend=",
            )
        network = await self._named(nic.network)
        if not named.is_active(network):
            raise WrongState(
                f"network {network.name!r} is not active",
                where=where,
                hint=f"xm network start {network.name}",
            )
        ips = nic.ips
        if network.serves_dhcp and nic.mac is not None:
            ips = await self._addresses(network, nic, nic.mac, config.name, where)
        return replace(nic, network=None, bridge=network.device, ips=ips)

    async def _addresses(
        self, network: Network, nic: Nic, mac: str, guest: str, where: str
    ) -> tuple[str, ...]:
        given = [guards.network_of(ip) for ip in nic.ips]
        own4 = [each for each in given if isinstance(each, IPv4Network)]
        found = [str(each) for each in given if isinstance(each, IPv6Network)]
        if network.host4 is not None:
            for each in own4:
                if not each.subnet_of(network.host4.network):
                    raise BadInput(
                        f"ip={each} is not in network {network.name} ({network.address})", where=where
                    )
            wanted = next((str(each.network_address) for each in own4 if each.prefixlen == 32), None)
            reservation = await self._kept.reserve(
                network.name, network.host4, mac, _host_name(guest), wanted, self._macs()
            )
            self._servers.of(network).reserve(reservation)
            found = [*(str(each) for each in own4 if str(each.network_address) != wanted), *found]
            found.insert(0, reservation.address)
        if network.host6 is not None:
            found.append(str(guards.link_local(mac, str(network.host6.network.network_address))))
        return tuple(found)

    def _macs(self) -> set[str]:
        """Of all cards that xend knows: their addresses are theirs."""
        configs = [kept.config for kept in self._parts.kept]
        configs += [managed.config for managed in self._parts.definitions]
        return {nic.mac for config in configs for nic in config.nics if nic.mac}


async def _choose(others: builtins.list[Network]) -> str:
    """An address for a network that names none, where nothing else of this host is."""
    routes = [ip_network(str(route["dst"]), strict=False) for route in await _routes()]
    taken = [*routes, *(other.host4.network for other in others if other.host4 is not None)]
    for text in _CHOICE:
        network = ip_network(text, strict=False)
        if not any(network.overlaps(each) for each in taken if each.version == 4):
            return text
    raise NoCapacity(
        "no network of 192.168.130.0 to 192.168.229.0 is free", hint="address= names another one"
    )


async def _routes() -> builtins.list[dict[str, object]]:
    shown = await ip_shown("-4", "route", "show", "table", "all")
    return [route for route in shown if "/" in str(route.get("dst"))]


def _check_apart(network: Network, others: builtins.list[Network]) -> None:
    for mine, theirs in ((network.host4, "host4"), (network.host6, "host6")):
        for other in others:
            host = getattr(other, theirs)
            if mine is not None and host is not None and mine.network.overlaps(host.network):
                raise AlreadyExists(
                    f"network {other.name!r} has {host.network} already", hint="another address="
                )


def _host_name(domain: str) -> str:
    """A domain's name as DNS can have it."""
    return re.sub(r"[^a-z0-9-]+", "-", domain.lower()).strip("-")[:63].strip("-")
