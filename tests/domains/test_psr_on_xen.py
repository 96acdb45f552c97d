"""Shares of caches and memory bandwidth, on a host whose CPUs cannot share them out: that is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domus.client import Client
from domus.lab.host import LabHost
from domus.model.errors import BadInput, DomainNotFound, HostProblem
from domus.model.psr import Measured, PsrHardware, Shared, ShareRequest

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


def test_what_emulated_cpus_cannot_do_is_told(client: Client) -> None:
    assert client.psr.hardware() == PsrHardware()
    with pytest.raises(HostProblem, match="CMT is not supported"):
        client.psr.measure("0", on=True)
    with pytest.raises(HostProblem, match="cache-occupancy"):
        client.psr.uses(Measured.CACHE)
    for of in Shared:
        with pytest.raises(HostProblem):
            client.psr.shares(of)
        with pytest.raises(HostProblem):
            client.psr.share("0", ShareRequest(of=of, value=3))


def test_what_is_wrong_is_told_first(client: Client) -> None:
    with pytest.raises(DomainNotFound):
        client.psr.shares(Shared.L3, "nosuch")
    with pytest.raises(BadInput, match="no socket 7"):
        client.psr.share("0", ShareRequest(of=Shared.L3, value=3, sockets=(7,)))
