"""XenStore's quotas, read and set on a real host; and what is refused: they, and overlays that are Arm's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domus.client import Client
from domus.domains.quotas import parse
from domus.model.debugging import OverlayVerb
from domus.model.errors import BadInput, DomainNotFound, HostProblem
from domus.model.quotas import Quota
from tests.domains.guests import create

if TYPE_CHECKING:
    from domus.lab.host import LabHost
    from domus.model.config import DomainConfig

#: what `dtc` makes begins with this (Devicetree Specification)
DEVICE_TREE = bytes.fromhex("d00dfeed") + bytes(60)

lab = pytest.mark.lab


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client


def told(host: LabHost, *words: str) -> dict[str, int]:
    """What xenstored itself says."""
    return {each.name: each.value for each in parse(host.run(["xenstore-control", "quota", *words]).stdout)}


def test_what_xenstored_says_of_its_quotas_is_understood() -> None:
    text = "Domain 3:\nnodes            :       17 (max       17)\ntransaction-nodes:        0 Nodes\n\n"
    assert parse(text) == [
        Quota(name="nodes", value=17, what="(max       17)"),
        Quota(name="transaction-nodes", value=0, what="Nodes"),
    ]


@lab
def test_quotas_are_shown_set_and_seen_by_xenstored(lab_host: LabHost, client: Client) -> None:
    before = told(lab_host)
    assert {each.name: each.value for each in client.quotas.get()} == before
    assert before["nodes"] > 0
    client.quotas.set({"nodes": before["nodes"] + 1, "watches": 99})
    assert told(lab_host) == before | {"nodes": before["nodes"] + 1, "watches": 99}
    client.quotas.set(before)
    assert told(lab_host) == before


@lab
def test_what_a_guest_has_is_told_beside_what_it_may_have(
    lab_host: LabHost, client: Client, guest_config: DomainConfig
) -> None:
    domid = create(client, guest_config, paused=True)
    quotas = {each.name: each for each in client.quotas.get(guest_config.name)}
    # It is paused: what it has in XenStore stands still.
    assert {name: each.used for name, each in quotas.items()} == told(lab_host, str(domid))
    assert {name: each.value for name, each in quotas.items()} == told(lab_host)
    client.finish(client.destroy(guest_config.name))


@lab
@pytest.mark.parametrize(
    ("values", "whose", "error", "message"),
    [
        ({"nodes": 500, "nosuch": 1}, None, BadInput, "no quota 'nosuch'"),
        ({"watches": 50, "nodes": 0}, None, BadInput, "nodes cannot be 0"),
        ({"nodes": 500}, "0", HostProblem, "before Xen 4.22"),
        ({"nodes": 500}, "nosuch", DomainNotFound, "does not exist"),
    ],
)
def test_quotas_that_cannot_be_leave_all_as_they_were(
    lab_host: LabHost,
    client: Client,
    values: dict[str, int],
    whose: str | None,
    error: type[Exception],
    message: str,
) -> None:
    before = told(lab_host)
    with pytest.raises(error, match=message):
        client.quotas.set(values, whose)
    assert told(lab_host) == before


@lab
def test_overlays_of_the_device_tree_are_refused_where_there_is_none(client: Client) -> None:
    with pytest.raises(BadInput, match="no compiled device tree"):
        client.debugging.dt_overlay(Path(__file__).read_bytes(), OverlayVerb.ADD)
    with pytest.raises(BadInput, match="'attach'"):
        client.debugging.dt_overlay(DEVICE_TREE, OverlayVerb.ATTACH)
    for verb in (OverlayVerb.ADD, OverlayVerb.REMOVE):
        with pytest.raises(HostProblem, match="libxl_dt_overlay"):
            client.debugging.dt_overlay(DEVICE_TREE, verb)
    with pytest.raises(HostProblem, match="libxl_dt_overlay_domain"):
        client.debugging.dt_overlay(DEVICE_TREE, OverlayVerb.ATTACH, "0")
