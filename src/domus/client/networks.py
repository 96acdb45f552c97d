"""Named networks of the host: `client.networks`."""

from __future__ import annotations

import builtins

import msgspec

from domus.client.calls import Calls, domain_path
from domus.client.requests import quote
from domus.model.errors import NotFound
from domus.model.networks import CheckedStep, Network, NetworkAutostart, NetworkInfo


class Networks:
    """All of them, and one after the other by name."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> builtins.list[NetworkInfo]:
        """All, by name."""
        return self._calls.get("/v1/networks", builtins.list[NetworkInfo])

    def get(self, name: str) -> NetworkInfo:
        """One of them."""
        return self._calls.get(network_path(name), NetworkInfo)

    def define(self, network: Network) -> NetworkInfo:
        """Define one, without starting it."""
        return self._calls.post("/v1/networks", network, NetworkInfo)

    def change(self, network: Network) -> NetworkInfo:
        """Change the definition of one that is not active."""
        return self._put(network_path(network.name), network)

    def undefine(self, name: str) -> None:
        """Forget one that is not active."""
        self._calls.ask("DELETE", network_path(name))

    def start(self, name: str) -> NetworkInfo:
        """Make its bridge, and let its server run."""
        return self._calls.post(f"{network_path(name)}/start", None, NetworkInfo)

    def stop(self, name: str) -> NetworkInfo:
        """Take it out of domain 0."""
        return self._calls.post(f"{network_path(name)}/stop", None, NetworkInfo)

    def autostart(self, name: str, autostart: bool) -> NetworkInfo:
        """Start it with xend from now on, or do not."""
        return self._put(f"{network_path(name)}/autostart", NetworkAutostart(autostart=autostart))

    def check(self, domain: str | None = None) -> builtins.list[CheckedStep]:
        """Where packets stop, and where they pass: of one domain, or of all and the networks."""
        target = "/v1/host" if domain is None else domain_path(domain)
        return self._calls.get(f"{target}/network-check", builtins.list[CheckedStep])

    def _put(self, target: str, body: msgspec.Struct) -> NetworkInfo:
        return msgspec.json.decode(self._calls.ask("PUT", target, body), type=NetworkInfo)


def network_path(name: str) -> str:
    """The path of a network. None's name has a slash."""
    if not name or "/" in name:
        raise NotFound(f"this host has no network {name[:40]!r}")
    return f"/v1/networks/{quote(name)}"
