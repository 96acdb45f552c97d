"""Memory of domains, as xend's API has it. `ref` is a name, an id or a uuid."""

from __future__ import annotations

from domus.client.calls import Calls, domain_path
from domus.model.memory import MemoryRequest, MemoryUse


class Memory:
    """How much domains have, and may have."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set_target(self, ref: str, mib: int, *, persist: bool = False) -> None:
        """Ask its balloon to reach `mib` MiB; returns at once. `persist`: and keep it configured so."""
        self._set(ref, MemoryRequest(target_mib=mib, persist=persist))

    def set_max(self, ref: str, mib: int, *, persist: bool = False) -> None:
        """Let it own no more than `mib` MiB. `persist`: and keep it configured so."""
        self._set(ref, MemoryRequest(max_mib=mib, persist=persist))

    def _set(self, ref: str, request: MemoryRequest) -> None:
        self._calls.ask("POST", f"{domain_path(ref)}/memory", request)

    def use(self) -> list[MemoryUse]:
        """What domains own, share and have claimed, sorted by name."""
        return self._calls.get("/v1/memory", list[MemoryUse])
