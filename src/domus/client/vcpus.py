"""VCPUs of domains, as xend's API has them. `ref` is a name, an id or a uuid."""

from __future__ import annotations

from domus.client.calls import Calls, domain_path
from domus.model.vcpus import OnlineRequest, PinRequest, VcpuTable


class Vcpus:
    """Where VCPUs run and may run, and which of them are online."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def all(self) -> VcpuTable:
        """Those of all domains, sorted by name."""
        return self._calls.get("/v1/vcpus", VcpuTable)

    def of(self, ref: str) -> VcpuTable:
        """Those of one domain."""
        return self._calls.get(f"{domain_path(ref)}/vcpus", VcpuTable)

    def set_online(self, ref: str, online: int, *, persist: bool = False) -> None:
        """Ask the guest to have its first `online` VCPUs online. `persist`: and keep it configured so."""
        request = OnlineRequest(online=online, persist=persist)
        self._calls.ask("POST", f"{domain_path(ref)}/vcpus", request)

    def pin(self, ref: str, request: PinRequest) -> None:
        """Say where VCPUs may run, and where they prefer to."""
        self._calls.ask("POST", f"{domain_path(ref)}/vcpus/pin", request)
