"""Schedulers and their parameters, as xend's API has them. `ref` is a name, an id or a uuid."""

from __future__ import annotations

from domus.client.calls import Calls, domain_path
from domus.client.cpupools import pool_path
from domus.model.scheduling import PoolScheduling, PoolSchedulingRequest, SchedulingRequest


class Scheduling:
    """Of domains and of cpupools."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def table(self) -> list[PoolScheduling]:
        """Each cpupool with its domains."""
        return self._calls.get("/v1/scheduling", list[PoolScheduling])

    def set_domain(self, ref: str, request: SchedulingRequest) -> None:
        """Change parameters of a domain."""
        self._calls.ask("POST", f"{domain_path(ref)}/scheduling", request)

    def set_pool(self, pool: str, request: PoolSchedulingRequest) -> None:
        """Change parameters of a cpupool."""
        self._calls.ask("POST", f"{pool_path(pool)}/scheduling", request)
