"""Firewalls of domains and named networks: `client.firewall`."""

from __future__ import annotations

import builtins
from typing import Final

import msgspec

from domus.client.calls import Calls, domain_path
from domus.client.networks import network_path
from domus.model.firewall import Firewall, FirewallInfo

#: what the name of a network is written behind; no domain's name has a slash
NETWORK: Final = "network/"


class Firewalls:
    """Of all, and of one `target`: a domain, or network/NAME."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> builtins.list[FirewallInfo]:
        """Those that have rules."""
        return self._calls.get("/v1/firewall", builtins.list[FirewallInfo])

    def get(self, target: str) -> FirewallInfo:
        """The rules of one."""
        return self._calls.get(_path(target), FirewallInfo)

    def put(self, target: str, wanted: Firewall) -> FirewallInfo:
        """Let one have other rules."""
        return msgspec.json.decode(self._calls.ask("PUT", _path(target), wanted), type=FirewallInfo)


def _path(target: str) -> str:
    if target.startswith(NETWORK):
        return f"{network_path(target.removeprefix(NETWORK))}/firewall"
    return f"{domain_path(target)}/firewall"
