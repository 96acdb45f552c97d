"""Rules of domains' firewalls: looked at, changed while the domain runs, and kept with its configuration."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from domus.devices import vif
from domus.domains import prepare
from domus.domains.carry_out import carry_out
from domus.domains.changes import ConfigChange
from domus.domains.events import EventKind
from domus.domains.journal import FirewallBack, UndoRecord
from domus.model.config import DomainConfig, Nic
from domus.model.errors import BadInput, Conflict, WrongState
from domus.model.firewall import Firewall, FirewallInfo, RuleInfo, parse_all
from domus.network import firewall, nft
from domus.network.translation import FAMILIES

if TYPE_CHECKING:
    from domus.devices.vif import Join
    from domus.domains.keeping import Keeping
    from domus.domains.networks import Networks
    from domus.domains.operations import OperationHandle
    from domus.domains.parts import Parts
    from domus.model.domain import DomainInfo
    from domus.model.networks import Network


class Filtering:
    """The firewalls of this host's domains and networks. For the event loop."""

    def __init__(self, parts: Parts, keeping: Keeping, networks: Networks) -> None:
        self._parts = parts
        self._keeping = keeping
        self._networks = networks

    async def list(self) -> builtins.list[FirewallInfo]:
        """Those that have rules: of domains, then of networks."""
        listing = await _listing()
        found = [
            _of_domain(info, config, listing)
            for info in await self._parts.list()
            if (config := self._config(info)) is not None and config.firewall
        ]
        networks = [each.network for each in await self._networks.list() if each.network.firewall]
        return [*found, *(_of_network(each, listing) for each in networks)]

    async def of_domain(self, reference: str) -> FirewallInfo:
        """The rules of a domain.

        Raises:
            DomainNotFound; WrongState: xend did not make it.
        """
        info = await self._parts.get(reference)
        return _of_domain(info, self._required(info), await _listing())

    async def of_network(self, name: str) -> FirewallInfo:
        """The rules of a network.

        Raises:
            NotFound: there is none of that name.
        """
        return _of_network((await self._networks.get(name)).network, await _listing())

    async def change(self, reference: str, wanted: Firewall, *, who: str) -> FirewallInfo:
        """Let other rules stand before the cards of a domain, now and at its next starts.

        Raises:
            DomainNotFound; WrongState: xend did not make it.
            BadInput: one is no rule, or it has a card for which rules cannot be enforced.
            Conflict: they are not those that the caller has seen.
            Busy; HostProblem: the kernel refuses them, and nothing has changed.
        """
        rules = parse_all(wanted.rules)
        texts = tuple(map(str, rules))
        info = await self._parts.get(reference)
        config = self._required(info)
        check_unchanged(config.firewall, wanted)
        if rules:
            for place, nic in enumerate(config.nics):
                check_filtered(nic, f"vif[{place}] of {info.name}")
        managed = self._parts.definitions.get(info.uuid)
        keep = await self._keeping.planned(
            info,
            ConfigChange(firewall=texts),
            persist=managed is not None,
            who=who,
            what=f"firewall of {len(texts)} rules",
        )
        if self._parts.kept.running(info.uuid, info.domid) is None:
            await self._keeping.only(info, keep)
            return await self.of_domain(reference)

        async def body(operation: OperationHandle[UndoRecord]) -> None:
            undo = FirewallBack(info.domid or 0, config.firewall)
            async with operation.step("filtering packets", undo=undo):
                await self._parts.hotplug.cards.refilter(info.domid or 0, rules)
            await self._keeping.commit(operation, keep)

        await carry_out(
            self._parts,
            "firewall",
            body,
            lock=info.uuid,
            name=info.name,
            doing="its firewall is being changed",
            who=who,
            domain=info.name,
            uuid=info.uuid,
        )
        self._parts.tell(EventKind.DOMAIN_CHANGED, info, what="firewall", who=who)
        return await self.of_domain(reference)

    def _config(self, info: DomainInfo) -> DomainConfig | None:
        """What its cards are filtered by: of this boot, else of its next one."""
        if (kept := self._parts.kept.running(info.uuid, info.domid)) is not None:
            return kept.config
        managed = self._parts.definitions.get(info.uuid)
        return None if managed is None else managed.config

    def _required(self, info: DomainInfo) -> DomainConfig:
        config = self._config(info)
        if config is None:
            raise WrongState(
                f"xend did not start '{info.name}': it has no firewall here",
                hint=f"xm adopt {info.name} takes it under management, for its next start",
            )
        return config


def check_filtered(nic: Nic, where: str) -> None:
    """Refuse a card before which no rules can stand: they would seem to protect its guest.

    Raises:
        BadInput: why none can.
    """
    how = vif.mode(nic.script)
    if nic.backend_domain not in prepare.DOM0_NAMES:
        why = f"domain {nic.backend_domain} plugs it in"
    elif how is None:
        why = "its own script plugs it in"
    elif how is vif.Mode.SWITCH:
        why = "Open vSwitch passes its packets on, with flows of its own"
    else:
        return
    raise BadInput(
        f"the domain's firewall cannot be kept for this card: {why}",
        where=where,
        hint="bridged, routed and translated cards of dom0 have one",
    )


def check_unchanged(now: tuple[str, ...], wanted: Firewall) -> None:
    """Refuse rules that were made from others than there are.

    Raises:
        Conflict: somebody else has changed them.
    """
    if wanted.instead_of is not None and wanted.instead_of != now:
        raise Conflict("the rules were changed meanwhile", hint="look at them again: xm firewall show")


async def of_card(name: str, join: Join, network: Network | None) -> builtins.list[FirewallInfo]:
    """The sets of rules that stand before a card of a running domain, by the domain's name."""
    listing = await _listing()
    found = []
    if join.firewall:
        chain = firewall.domain_chain(join.device.domid)
        found.append(_info(name, tuple(map(str, join.firewall)), chain, listing))
    if network is not None and network.firewall:
        found.append(_of_network(network, listing))
    return found


async def _listing() -> list[dict[str, object]]:
    return [item for family in FAMILIES for item in await nft.listed(family)]


def _of_domain(info: DomainInfo, config: DomainConfig, listing: list[dict[str, object]]) -> FirewallInfo:
    chain = None if info.domid is None else firewall.domain_chain(info.domid)
    return _info(info.name, config.firewall, chain, listing)


def _of_network(network: Network, listing: list[dict[str, object]]) -> FirewallInfo:
    return _info(f"network/{network.name}", network.firewall, firewall.network_chain(network.name), listing)


def _info(
    target: str, rules: tuple[str, ...], chain: str | None, listing: list[dict[str, object]]
) -> FirewallInfo:
    active = any(_is_chain(item.get("chain"), f"{chain}-in") for item in listing)
    counts = firewall.dropped(listing, chain) if active and chain is not None else {}
    return FirewallInfo(
        target=target,
        active=active,
        rules=tuple(
            RuleInfo(rule=rule, dropped=counts.get(number)) for number, rule in enumerate(rules, start=1)
        ),
    )


def _is_chain(item: object, name: str) -> bool:
    return isinstance(item, dict) and item.get("name") == name
