"""The cards that xend has plugged in: each behind its guard, in its bridge or on its route.

Nothing of a guest passes before its guard is there: the guard hangs on the card's device while that is down
and in no bridge, and a card whose guard cannot be installed stays so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from domus.devices.backends import DeviceKind, DeviceRef
from domus.devices.vif import Join, Mode
from domus.model.errors import DomusError, HostProblem
from domus.model.firewall import Rule
from domus.model.networks import Network
from domus.network import bridges, firewall, guards, named, nft, routes, switches, translation
from domus.network.bridges import DEFAULT_MTU
from domus.network.firewall import Filtered

log = logging.getLogger(__name__)

# Seconds. netback makes its device right after it says InitWait; usually it is there when we look.
_APPEARS_WITHIN: Final = 5.0
_LOOK_EVERY: Final = 0.02

#: times that all is rebuilt while devices come and go
_TRIES: Final = 3


class Cards:
    """For the event loop."""

    def __init__(self) -> None:
        self._plugged: dict[DeviceRef, Join] = {}
        #: all named networks: whether one is active is seen when it matters
        self._networks: tuple[Network, ...] = ()
        self._bridge_table = False  #: of the family bridge; there
        #: transactions come one after the other: whoever takes away the last card's table is alone
        self._tables = asyncio.Lock()

    async def plug(self, join: Join) -> None:
        """Carry a plan out. May be repeated after it was cut off anywhere.

        Raises:
            DomusError: the bridge is gone, the device never appeared, its guard cannot be, or `ip` failed.
        """
        if join.mode is Mode.BRIDGE:
            bridges.require(join.bridge)
        await _appearance(join)
        if join.final_name != join.kernel_name and bridges.has_device(join.kernel_name):
            await bridges.rename(join.kernel_name, join.final_name)
        self._plugged[join.device] = join
        if guarded := join.guarded():
            async with self._tables:
                await nft.apply(guards.installed(guarded))
        if self.is_filtered(join):
            await self._translate()
        mtu = None if join.mtu == DEFAULT_MTU else join.mtu
        if join.route is not None:
            if join.route.translated and not self.is_filtered(join):
                await self._translate()
            await routes.plug(join.route, mtu=mtu)
            return
        for device in join.devices:
            if device != join.final_name and not bridges.has_device(device):
                continue
            if join.mode is Mode.SWITCH:
                await switches.add_port(join.bridge, device, _ids(join), mtu=mtu)
                continue
            flags = [f"link set dev {device} isolated on"] if join.isolated else []
            flags += join.vlans.flags(device) if join.vlans is not None else []
            await bridges.add_port(join.bridge, device, mtu=mtu, flags=flags)

    def note(self, join: Join) -> None:
        """A card is there that a xend before this one has plugged in."""
        self._plugged[join.device] = join

    def note_networks(self, networks: Iterable[Network]) -> None:
        """These are the named networks that there are; the packet filter is made anew later."""
        self._networks = tuple(networks)

    def plan_of(self, device: DeviceRef) -> Join | None:
        """How a card is plugged in; None: it is none of ours."""
        return self._plugged.get(device)

    def addresses(self, domid: int, devid: int) -> tuple[str, ...]:
        """The addresses that a card may use; empty: any."""
        join = self._plugged.get(DeviceRef(DeviceKind.VIF, domid, devid))
        if join is None or join.guard is None:
            return ()
        return (*_texts(join.guard.ipv4 or ()), *_texts(join.guard.ipv6 or ()))

    async def forget(self, device: DeviceRef) -> None:
        """A card is gone: so goes what its device did not take with it. Harmless when it was none of ours."""
        join = self._plugged.pop(device, None)
        if join is None:
            return
        try:
            if join.guard is not None:
                async with self._tables:
                    guarded = any(each.guard is not None for each in self._plugged.values())
                    await nft.apply(guards.removed(join.chains) if guarded else nft.removed(guards.FAMILY))
            if join.mode is Mode.SWITCH:
                for name in join.devices:
                    await switches.remove_port(name)
            if join.route is not None:
                await routes.unplug(join.route)
            if self.is_filtered(join) or (join.route is not None and join.route.translated):
                await self._translate()
        except DomusError as error:
            log.warning("something of %s is left: %s", join.kernel_name, error.for_user())

    async def rebuild(self) -> None:
        """Make our tables anew from the cards that are there, and take away what is left of others.

        Raises:
            HostProblem: the kernel refused it.
        """
        for _ in range(_TRIES):
            try:
                await self._guard()
                break
            except HostProblem as error:
                # A device that went just now makes the whole transaction fail: nothing has changed yet.
                refused = error
        else:
            raise refused
        there = [join for join in self._plugged.values() if bridges.has_device(join.final_name)]
        ways = [join.route for join in there if join.route is not None]
        filtered = any(self.is_filtered(join) for join in self._plugged.values())
        left = [family for family in translation.FAMILIES if await nft.listed(family)]
        if ways or self._networks or filtered or left:
            self._bridge_table = "bridge" in left
            await self._translate()
        answered = {str(network.network_address) for way in ways for network in way.alone}
        await routes.forget_answers(but=answered)
        await switches.remove_left({name for join in there for name in join.devices})

    async def _guard(self) -> None:
        async with self._tables:
            there = [join for join in self._plugged.values() if bridges.has_device(join.final_name)]
            guarded = [each for join in there for each in join.guarded()]
            if guarded or await nft.listed(guards.FAMILY):
                await nft.apply(guards.rebuilt(guarded))

    async def translate(self, networks: Iterable[Network]) -> None:
        """These are the named networks that there are: what the packet filter has to say of them.

        Raises:
            HostProblem: the kernel refused it; nothing has changed.
        """
        before, self._networks = self._networks, tuple(networks)
        try:
            await self._translate()
        except BaseException:
            self._networks = before
            raise

    async def refilter(self, domid: int, rules: tuple[Rule, ...]) -> None:
        """Let these be the rules of a domain; harmless when they are, or it has no card here.

        Raises:
            HostProblem: the kernel refused them; nothing has changed.
        """
        before = {device: join for device, join in self._plugged.items() if device.domid == domid}
        after = {device: replace(join, firewall=rules) for device, join in before.items()}
        if after == before:
            return
        self._plugged |= after
        try:
            await self._translate()
        except BaseException:
            # One that went meanwhile stays away.
            self._plugged |= {device: join for device, join in before.items() if device in self._plugged}
            raise

    def is_filtered(self, join: Join) -> bool:
        """Rules of its domain or its network stand before a card."""
        network = self.network_of(join)
        return bool(join.firewall) or (network is not None and bool(network.firewall))

    def network_of(self, join: Join) -> Network | None:
        """The named network that it is in."""
        return next((each for each in self._networks if each.name == join.network), None)

    async def _translate(self) -> None:
        async with self._tables:
            plugged = list(self._plugged.values())
            ways = [join.route for join in plugged if join.route is not None]
            cards = [
                (join.route is not None, Filtered(join.devices, join.device.domid, join.firewall, network))
                for join in plugged
                for network in [self.network_of(join)]
            ]
            bridged = firewall.lines("bridge", [card for is_routed, card in cards if not is_routed])
            routed = firewall.lines("inet", [card for is_routed, card in cards if is_routed])
            active = [network for network in self._networks if named.is_active(network)]
            transaction = translation.rebuilt(ways, active, routed)
            # Without need the kernel is not made to follow the connections of what is bridged.
            if bridged or self._bridge_table:
                transaction += translation.table("bridge", bridged)
            await nft.apply(transaction)
            self._bridge_table = bool(bridged)


async def _appearance(join: Join) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + _APPEARS_WITHIN
    while not (bridges.has_device(join.kernel_name) or bridges.has_device(join.final_name)):
        if clock() > end:
            raise HostProblem(f"device {join.kernel_name} did not appear", hint="is xen-netback loaded?")
        await asyncio.sleep(_LOOK_EVERY)


def _ids(join: Join) -> dict[str, str]:
    """What Open vSwitch keeps about a port, as vif-openvswitch has it."""
    return {"attached-mac": join.guard.mac} if join.guard is not None else {}


def _texts(networks: Iterable[IPv4Network | IPv6Network]) -> Iterator[str]:
    for network in networks:
        yield str(network.network_address if network.prefixlen == network.max_prefixlen else network)
