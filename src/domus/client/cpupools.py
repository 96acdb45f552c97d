"""Cpupools, as xend's API has them. `pool` is a number or a name, looked up in this order."""

from __future__ import annotations

import builtins

from domus.client.calls import Calls, domain_path
from domus.client.requests import quote
from domus.model.cpupool import (
    CpupoolConfig,
    CpupoolCreateRequest,
    CpupoolInfo,
    CpusRequest,
    MoveRequest,
    RenameCpupoolRequest,
)
from domus.model.errors import NotFound


def pool_path(pool: str) -> str:
    """The path of a cpupool. No name of one has a slash."""
    if not pool or "/" in pool:
        raise NotFound(f"Pool '{pool}' does not exist.")
    return f"/v1/cpupools/{quote(pool)}"


class Cpupools:
    """Sets of the host's CPUs, each with a scheduler and domains of its own."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> builtins.list[CpupoolInfo]:
        """All: those that Xen has by number, then those that are only defined."""
        return self._calls.get("/v1/cpupools", builtins.list[CpupoolInfo])

    def get(self, pool: str) -> CpupoolInfo:
        """One of them."""
        return self._calls.get(pool_path(pool), CpupoolInfo)

    def create(self, config: CpupoolConfig, *, managed: bool = False) -> CpupoolInfo:
        """Make one; a managed one is only defined."""
        request = CpupoolCreateRequest(config=config, managed=managed)
        return self._calls.post("/v1/cpupools", request, CpupoolInfo)

    def start(self, pool: str) -> CpupoolInfo:
        """Make a managed one that is not active."""
        return self._calls.post(f"{pool_path(pool)}/start", None, CpupoolInfo)

    def destroy(self, pool: str) -> None:
        """Take one out of Xen; a managed one stays defined."""
        self._calls.ask("POST", f"{pool_path(pool)}/destroy")

    def delete(self, pool: str) -> None:
        """Forget a managed one that is not active."""
        self._calls.ask("DELETE", pool_path(pool))

    def rename(self, pool: str, name: str) -> None:
        """Give one another name."""
        self._calls.ask("POST", f"{pool_path(pool)}/rename", RenameCpupoolRequest(name=name))

    def add_cpus(self, pool: str, cpus: str) -> None:
        """Put free CPUs into one, such as "1", "2-3" or "node:1"."""
        self._calls.ask("POST", f"{pool_path(pool)}/add-cpus", CpusRequest(cpus=cpus))

    def remove_cpus(self, pool: str, cpus: str) -> None:
        """Take CPUs out of one."""
        self._calls.ask("POST", f"{pool_path(pool)}/remove-cpus", CpusRequest(cpus=cpus))

    def move(self, ref: str, pool: str) -> None:
        """Move the domain `ref` into one."""
        self._calls.ask("POST", f"{domain_path(ref)}/cpupool", MoveRequest(pool=pool))

    def split(self) -> builtins.list[CpupoolInfo]:
        """Give each NUMA node one of its own."""
        return self._calls.post("/v1/host/split-cpupools", None, builtins.list[CpupoolInfo])
