"""Managed domains, as a client asks for them: `client.managed.define(config)`."""

from __future__ import annotations

import builtins

from domus.client.calls import Calls, domain_path
from domus.model.config import DomainConfig
from domus.model.managed import (
    AutostartRequest,
    Clash,
    ConfigureRequest,
    DefineRequest,
    Difference,
    Export,
    Imported,
    ImportRequest,
    ManagedDomain,
    RenameRequest,
    RevertRequest,
    Revision,
    StartRequest,
)
from domus.model.operation import Operation


class Managed:
    """What can be asked about managed domains. `ref` is a name, an id or a uuid."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> builtins.list[ManagedDomain]:
        """All of them, sorted by name."""
        return self._calls.get("/v1/managed", builtins.list[ManagedDomain])

    def get(self, ref: str) -> ManagedDomain:
        """What is kept of a domain."""
        return self._calls.get(_path(ref), ManagedDomain)

    def define(self, config: DomainConfig) -> ManagedDomain:
        """Keep a configuration from now on; on return it is on the host's disk."""
        return self._calls.post("/v1/managed", DefineRequest(config=config), ManagedDomain)

    def delete(self, ref: str) -> None:
        """Forget a domain that does not run."""
        self._calls.ask("DELETE", _path(ref))

    def start(self, ref: str, *, paused: bool = False) -> Operation:
        """Begin to build a domain; returns at once, see `Client.finish`."""
        return self._calls.post(f"{_path(ref)}/start", StartRequest(paused=paused), Operation)

    def rename(self, ref: str, name: str) -> Operation:
        """Begin to rename a domain, managed or not; returns at once, see `Client.finish`."""
        return self._calls.post(f"{domain_path(ref)}/rename", RenameRequest(name=name), Operation)

    def adopt(self, ref: str) -> Operation:
        """Begin to take a running domain under management; returns at once, see `Client.finish`."""
        return self._calls.post(f"{domain_path(ref)}/adopt", None, Operation)

    def configure(
        self, ref: str, config: DomainConfig, *, base: int | None = None, what: str = "set"
    ) -> ManagedDomain:
        """Keep another configuration.

        Args:
            base: the revision that was changed: it is refused if it is no longer the last one.
            what: what the change is, for the history.
        """
        request = ConfigureRequest(config=config, base=base, what=what)
        return self._calls.post(f"{_path(ref)}/config", request, ManagedDomain)

    def set_autostart(self, ref: str, request: AutostartRequest) -> ManagedDomain:
        """Say whether and when xend starts a domain by itself."""
        return self._calls.post(f"{_path(ref)}/autostart", request, ManagedDomain)

    def start_all(self) -> Operation:
        """Begin to start everything that starts with the host and does not run; see `Client.finish`."""
        return self._calls.post("/v1/autostart/start", None, Operation)

    def stop_all(self) -> Operation:
        """Begin to end the host's domains, as when it stops; see `Client.finish`."""
        return self._calls.post("/v1/autostart/stop", None, Operation)

    def export(self) -> Export:
        """Everything that is managed, with all that was kept of it."""
        return self._calls.get("/v1/export", Export)

    def take_in(self, export: Export, clash: Clash = Clash.REFUSE) -> Imported:
        """Keep everything of an export, or nothing."""
        return self._calls.post("/v1/import", ImportRequest(export=export, clash=clash), Imported)

    def revert(self, ref: str, revision: int) -> ManagedDomain:
        """Keep a former configuration again."""
        return self._calls.post(f"{_path(ref)}/revert", RevertRequest(revision=revision), ManagedDomain)

    def history(self, ref: str) -> builtins.list[Revision]:
        """Every configuration that was kept of a domain, the oldest first."""
        return self._calls.get(f"{_path(ref)}/history", builtins.list[Revision])

    def differences(self, ref: str) -> builtins.list[Difference]:
        """Where a running domain is not what its kept configuration says."""
        return self._calls.get(f"{_path(ref)}/differences", builtins.list[Difference])


def _path(ref: str) -> str:
    return domain_path(ref).replace("/v1/domains/", "/v1/managed/", 1)
