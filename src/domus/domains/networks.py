"""Named networks: defined, started and stopped as wholes, kept, and started with xend."""

from __future__ import annotations

import asyncio
import builtins
import logging
import os
import re
import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from domus.devices import vif
from domus.devices.backends import DeviceRef
from domus.devices.cards import Cards
from domus.domains.carry_out import carry_out
from domus.domains.journal import StopNetwork, UndoRecord
from domus.domains.kept_networks import KeptNetworks
from domus.model.config import DomainConfig, Nic
from domus.model.errors import AlreadyExists, BadInput, DomusError, InUse, NoCapacity, NotFound, WrongState
from domus.model.networks import Network, NetworkCard, NetworkInfo, checked
from domus.network import guards, named
from domus.network.dnsmasq import Dnsmasq
from domus.network.iproute import ip_shown

if TYPE_CHECKING:
    from domus.domains.operations import OperationHandle
    from domus.domains.parts import Parts

log = logging.getLogger(__name__)

_LOCK: Final = "networks"

#: a server that has to be started again more often in a minute is broken
_RESTARTS: Final = 3

#: where addresses for networks that name none are looked for
_CHOICE: Final = tuple(f"192.168.{number}.1/24" for number in range(130, 230))


class Networks:
    """The named networks of this host. For the event loop.

    Args:
        folder: where leases are kept.
    """

    def __init__(self, parts: Parts, folder: Path) -> None:
        self._parts = parts
        self._folder = folder
        self._kept = KeptNetworks(parts.database)
        self._watched: dict[str, int] = {}  # pidfds of servers
        self._restarts: dict[str, builtins.list[float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _cards(self) -> Cards:
        return self._parts.hotplug.cards

    # xend's own life

    async def note(self) -> None:
        """Tell the packet filter of those that are active, before it is made anew."""
        self._cards.note_networks(await self._active())

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
        for task in self._tasks:
            task.cancel()
        for name in [*self._watched]:
            self._forget_server(name)

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
        server = self._server(network)
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

    async def define(self, network: Network) -> NetworkInfo:
        """Keep a new one; it is not started.

        Raises:
            BadInput: it cannot be.
            AlreadyExists: there is one of that name.
        """
        checked(network)
        networks = await self._kept.all()
        if network.name in networks:
            raise AlreadyExists(f"network {network.name!r} is defined already", hint="xm network edit")
        return await self._keep(network, networks)

    async def change(self, network: Network) -> NetworkInfo:
        """Keep another definition of one that is not active.

        Raises:
            BadInput: it cannot be.
            NotFound: there is none of that name.
            WrongState: it is active.
        """
        checked(network)
        await self._inactive(network.name)
        return await self._keep(network, await self._kept.all())

    async def undefine(self, name: str) -> None:
        """Forget one that is not active.

        Raises:
            NotFound; WrongState: it is active.
        """
        await self._inactive(name)
        await self._kept.forget(name)
        (self._folder / f"{name}.leases").unlink(missing_ok=True)

    async def autostart(self, name: str, autostart: bool) -> NetworkInfo:
        """Start it with xend from now on, or do not.

        Raises:
            NotFound: there is none of that name.
        """
        await self._kept.put(replace(await self._named(name), autostart=autostart))
        return await self.get(name)

    async def _inactive(self, name: str) -> None:
        network = await self._named(name)
        if network.has_own_bridge and named.is_active(network):
            raise WrongState(f"network {name!r} is active", hint=f"xm network stop {name}")

    async def _keep(self, network: Network, networks: dict[str, Network]) -> NetworkInfo:
        others = [each for each in networks.values() if each.name != network.name]
        if network.has_own_bridge:
            if any(other.device == network.device for other in others):
                raise AlreadyExists(
                    f"another network has the bridge {network.device!r}", hint="bridge= names one"
                )
            if not network.address and network.dhcp:
                network = replace(network, address=await _choose(others))
            _check_apart(network, others)
        await self._kept.put(network)
        return await self.get(network.name)

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
                await self._cards.translate(await self._active())
            server = self._server(network)
            if server.wanted:
                async with operation.step("serving addresses and names"):
                    await server.start(await self._kept.reservations(network.name))
                    self._watch(network)

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
            cards = self._cards_in(network)
            if cards:
                domains = ", ".join(sorted({card.domain for card in cards})[:5])
                raise InUse(f"network {name!r} is in use by {domains}", hint="detach their cards first")
            await operation.commit(StopNetwork(network))
            await self._take_down(network)

        await self._carry_out("network-stop", name, who, body)
        return await self.get(name)

    async def undo(self, record: StopNetwork) -> None:
        """Take it out of dom0, whatever of it is there."""
        await self._take_down(record.network)

    async def _take_down(self, network: Network) -> None:
        self._forget_server(network.name)
        self._server(network).stop()
        await named.unmake(network)
        await self._cards.translate(await self._active())

    async def _active(self) -> builtins.list[Network]:
        return [network for network in (await self._kept.all()).values() if named.is_active(network)]

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
        if all(nic.network is None for nic in config.nics):
            return config
        nics = [
            await self.resolved_card(nic, config.name, f"vif[{place}]")
            for place, nic in enumerate(config.nics)
        ]
        return replace(config, nics=tuple(nics))

    async def resolved_card(self, nic: Nic, guest: str, where: str) -> Nic:
        """A card with the bridge of the network that it names, and the addresses that it has there.

        Args:
            guest: its domain's name.

        Raises:
            NotFound, WrongState: there is no such network, or it is not active.
            BadInput: an address that is not of this network, or a way of plugging that is not a bridge.
            AlreadyExists, NoCapacity: the address is taken, or all are.
        """
        if nic.network is None:
            return nic
        if nic.bridge is not None or vif.mode(nic.script) is not vif.Mode.BRIDGE:
            raise BadInput(
                f"network={nic.network} says how it is plugged in", where=where, hint="no bridge=, script="
            )
        network = await self._named(nic.network)
        if not named.is_active(network):
            raise WrongState(
                f"network {network.name!r} is not active",
                where=where,
                hint=f"xm network start {network.name}",
            )
        ips = nic.ips
        if network.has_own_bridge and network.dhcp and nic.mac is not None:
            ips = await self._addresses(network, nic, nic.mac, guest, where)
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
            self._server(network).reserve(reservation)
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

    # Servers

    def _server(self, network: Network) -> Dnsmasq:
        return Dnsmasq(network, self._folder / f"{network.name}.leases")

    def _watch(self, network: Network) -> None:
        """Start its server again when it ends without being told to."""
        pid = self._server(network).pid()
        self._forget_server(network.name)
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return
        self._watched[network.name] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._ended, network.name)

    def _ended(self, name: str) -> None:
        self._forget_server(name)
        now = time.monotonic()
        recent = [at for at in self._restarts.get(name, []) if now - at < 60]
        self._restarts[name] = [*recent, now]
        if len(recent) >= _RESTARTS:
            log.error("the DHCP server of network %s ends again and again: xm network start %s", name, name)
            return
        log.warning("the DHCP server of network %s has ended; it is started again", name)
        task = asyncio.create_task(self._serve_again(name), name=f"dnsmasq of {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_again(self, name: str) -> None:
        try:
            await self._start(await self._named(name), who="xend")
        except DomusError as error:
            log.error("network %s has no DHCP server: %s", name, error.for_user())

    def _forget_server(self, name: str) -> None:
        descriptor = self._watched.pop(name, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)


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
