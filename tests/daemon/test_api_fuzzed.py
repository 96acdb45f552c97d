"""The API on real Xen, asked by a program that knows nothing but its OpenAPI document: no mistake of ours."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domus.client.requests import quote
from domus.daemon.openapi import describe
from domus.daemon.routes.endpoint import JSON, Endpoint
from domus.daemon.routes.table import ENDPOINTS
from domus.model.config import DomainConfig

if TYPE_CHECKING:
    from domus.client import Client
    from domus.lab.host import LabHost

schemathesis = pytest.importorskip("schemathesis")

# Not seen to pass whole yet: the machine was busy.
pytestmark = [pytest.mark.lab, pytest.mark.soak]

#: requests per row of the API
EXAMPLES = 4

#: rows that a program must not try at random, and why
LEFT_OUT = {
    "/v1/host/debug-keys": "keys reboot or crash the host",
    "/v1/host/parameters": "Xen would take some",
    "/v1/autostart/stop": "ends the host's domains",
    "/v1/cpupools": "a CPU that leaves a cpupool can hang an emulated host",
    "/v1/host/pci/assignable": "takes devices from domain 0",
}

UUID = "0f0f0f0f-0000-4000-8000-000000000001"
#: what a program types for a domain: one that is there, and what is none
REFERENCES = st.sampled_from([UUID, "999", "nobody", "..", "%", f"{UUID}\x00", "ü" * 300, ""])


def rows() -> list[Endpoint]:
    return [
        row
        for row in ENDPOINTS
        if row.run is not None and row.media == JSON and row.body is not bytes and row.path not in LEFT_OUT
    ]


@pytest.fixture(scope="module")
def client(lab_host: LabHost) -> Iterator[Client]:
    with lab_host.client() as client:
        yield client
        for managed in client.managed.list():
            client.managed.delete(managed.uuid)


SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(describe(ENDPOINTS))))


def test_the_rows_that_are_left_out_are_there() -> None:
    assert LEFT_OUT.keys() - {row.path for row in ENDPOINTS} == set()
    assert len(rows()) > 60


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.method} {row.path}")
def test_no_request_finds_a_mistake_of_ours(client: Client, row: Endpoint) -> None:
    if UUID not in {managed.uuid for managed in client.managed.list()}:  # what was asked for may have gone
        config = DomainConfig(name="fuzzed", uuid=UUID, kernel="/nowhere/vmlinuz", memory_mib=16)
        client.managed.define(config)
    cases = SCHEMA[row.path][row.method].as_strategy()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, REFERENCES, st.binary(max_size=20), st.sampled_from(["as told", "cut", "junk"]))
    def ask(case: Any, reference: str, junk: bytes, how: str) -> None:
        parameters = {**(case.path_parameters or {}), "ref": quote(reference) or "%20"}
        target = row.path.format(**parameters)
        if case.query:
            words = (f"{quote(str(name))}={quote(str(value))}" for name, value in case.query.items())
            target += "?" + "&".join(words)
        if not set(target) <= set(string.printable) - set(string.whitespace):
            return
        content = b"" if row.body is None else json.dumps(case.body, default=str).encode()
        content = {"as told": content, "cut": content[: len(content) // 2], "junk": junk}[how]
        headers = {} if row.method == "GET" else {"Content-Length": str(len(content))}
        if content and row.method != "GET":
            headers["Content-Type"] = JSON
        answer, told = client.calls.exchange.ask(
            row.method, target, headers=headers, body=(content,) if row.method != "GET" and content else ()
        )
        problem = json.loads(told) if answer.kind == "application/problem+json" and told else {}
        assert not str(problem.get("type", "")).endswith("internal"), (row.method, target, content, problem)
        assert answer.status < 300 or answer.kind == "application/problem+json", (target, answer.status)

    ask()


def test_xend_is_the_same_and_has_no_traceback_in_its_log(client: Client, lab_host: LabHost) -> None:
    log = lab_host.run(["cat", "/var/log/xen/xend.log"]).stdout
    assert "Traceback" not in log
    assert [info.name for info in client.domains() if info.domid is not None] == ["Domain-0"]
