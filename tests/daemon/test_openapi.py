"""The OpenAPI document tells of every route, and only of what exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from domus.client import Client
from domus.daemon.openapi import describe
from domus.daemon.routes.table import ENDPOINTS

DOCUMENT: dict[str, Any] = json.loads(json.dumps(describe(ENDPOINTS)))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects within a document."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child)


def test_every_route_is_in_it() -> None:
    told = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert told == {(row.method, row.path) for row in ENDPOINTS}
    assert len(ENDPOINTS) == len(told)


def test_it_has_what_openapi_3_1_asks_for() -> None:
    assert re.fullmatch(r"3\.1\.\d", DOCUMENT["openapi"])
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for path, item in DOCUMENT["paths"].items():
        assert path.startswith("/")
        for method, operation in item.items():
            assert method in {"get", "put", "post", "delete", "head", "patch"}
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert re.fullmatch(r"[1-5]\d\d", status)
                assert response["description"]
                for media, content in response.get("content", {}).items():
                    assert re.fullmatch(r"[a-z]+/[a-z.+\-]+", media)
                    assert "schema" in content
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))
            for parameter in operation.get("parameters", []):
                assert parameter["in"] in {"path", "query"}
                assert parameter["required"] if parameter["in"] == "path" else True
                assert parameter["schema"]


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    references = [node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)]
    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in schemas


def test_errors_are_problems_wherever_they_can_happen() -> None:
    for item in DOCUMENT["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                assert (int(status) >= 400) == ("application/problem+json" in response.get("content", {}))


def test_xend_serves_it(client: Client) -> None:
    assert json.loads(client.calls.ask("GET", "/openapi.json")) == DOCUMENT


@pytest.mark.parametrize("name", ["DomainConfig", "DomainInfo", "HostInfo", "Operation", "Problem", "Nic"])
def test_the_model_is_in_it(name: str) -> None:
    assert DOCUMENT["components"]["schemas"][name]["properties"]
