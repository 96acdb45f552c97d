"""The definitions of named networks, and which card has which address in them, on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface

from domus.domains.database import Database
from domus.domains.kept_table import KeptTable
from domus.model.errors import AlreadyExists, NoCapacity
from domus.model.networks import Network
from domus.network.dnsmasq import Reservation


class KeptNetworks(KeptTable[Network]):
    """All networks, and the addresses that cards have in them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "network", Network)

    def forget_within(self, connection: sqlite3.Connection, name: str) -> None:
        """Keep nothing of it, and of the addresses in it."""
        super().forget_within(connection, name)
        connection.execute("DELETE FROM network_address WHERE network = ?", (name,))

    async def reservations(self, name: str) -> dict[str, Reservation]:
        """Who has which address in a network, by MAC."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT mac, address, name FROM network_address WHERE network = ?", (name,)
            ).fetchall()
        )
        return {mac: Reservation(mac, address, guest) for mac, address, guest in rows}

    async def reserve(
        self, name: str, host: IPv4Interface, mac: str, guest: str, wanted: str | None, used: set[str]
    ) -> Reservation:
        """The address of a card in a network: that which it had before, else `wanted`, else a free one.

        Args:
            host: the host's own address in the network.
            guest: its domain's name.
            used: MACs of cards that there are; when all addresses are taken, others lose theirs.

        Raises:
            AlreadyExists: another card has the wanted one.
            NoCapacity: all are taken.
        """

        def work(connection: sqlite3.Connection) -> str:
            rows = connection.execute("SELECT mac, address FROM network_address WHERE network = ?", (name,))
            taken: dict[str, str] = dict(rows.fetchall())
            owners = {address: owner for owner, address in taken.items()}
            if wanted is not None and owners.get(wanted, mac) in used - {mac}:
                raise AlreadyExists(f"{wanted} belongs to the card {owners[wanted]} in network {name}")
            mine = taken.get(mac)
            address = wanted or (mine if mine and IPv4Address(mine) in host.network else None)
            if address is None:
                address = _free(
                    host, {each for each, owner in owners.items() if owner in used} | {mac}, owners
                )
            if address is None:
                raise NoCapacity(f"network {name} has no free address", hint="a shorter length has more")
            connection.execute(
                "DELETE FROM network_address WHERE network = ? AND (mac = ? OR address = ?)",
                (name, mac, address),
            )
            connection.execute("INSERT INTO network_address VALUES (?, ?, ?, ?)", (name, mac, address, guest))
            return address

        return Reservation(mac, await self._database.write(work), guest)


def _free(host: IPv4Interface, in_use: set[str], known: dict[str, str]) -> str | None:
    """An address that nobody has, or else one whose card is gone."""
    candidates = [str(address) for address in _hosts(host)]
    never = next((each for each in candidates if each not in known), None)
    return never or next((each for each in candidates if each not in in_use), None)


def _hosts(host: IPv4Interface) -> Iterator[IPv4Address]:
    """The first 4000 addresses of the network that are not the host's."""
    for count, address in enumerate(host.network.hosts()):
        if count >= 4000:
            return
        if address != host.ip:
            yield address
