"""The OpenAPI document, made from the table of the API and the model's types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec

import domus
from domus.daemon.errors import PROBLEM_TYPE, TooLarge, status_of
from domus.daemon.routes.endpoint import EVENTS, JSON, Endpoint
from domus.model.errors import BadInput, DomusError, Internal, Problem

Document = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_PATH_PARAMETERS: Final = {
    "devid": "number of a device within its kind",
    "controller": "number of a USB controller of a domain",
    "port": "port of that controller, from 1",
    "kind": "kind of device, by the name of its frontend",
    "name": "name of a network or an image; of a disk, its name in the guest or its number",
    "piece": "number of a piece of an image, from 0",
    "token": "names a transfer of an image, as its beginning was answered",
    "place": "a network card's number or MAC address",
    "ref": "name, id or uuid of a domain, looked up in this order",
    "id": "id of an operation",
    "pool": "number or name of a cpupool, looked up in this order",
    "number": "place of a disk in the answer to an offer, from 0",
    "sha256": "64 hexadecimal digits in lower case",
}


def describe(endpoints: Iterable[Endpoint]) -> Document:
    """The document, as data."""
    rows = tuple(endpoints)
    types = [kind for row in rows for kind in (row.answer, row.body) if _is_modelled(kind)]
    _, components = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    paths: dict[str, Document] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Domus",
            "version": domus.__version__,
            "description": "The API of xend, the daemon of a Xen host.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(row: Endpoint) -> Document:
    noun = row.path.strip("/").split("/")
    operation: Document = {
        "operationId": _operation_id(row),
        "summary": row.what,
        "tags": [noun[1] if len(noun) > 1 else "root"],
        "responses": _responses(row),
    }
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARAMETERS[name],
            "schema": {"type": "string"},
        }
        for name in _PARAMETER.findall(row.path)
    ]
    parameters += [
        {"name": query.name, "in": "query", "description": query.what, "schema": _schema(query.kind)}
        for query in row.query
    ]
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        media = "application/octet-stream" if row.body is bytes else JSON
        operation["requestBody"] = {"required": True, "content": {media: {"schema": _schema(row.body)}}}
    return operation


def _responses(row: Endpoint) -> Document:
    success: Document = {"description": row.status.phrase}
    if row.answer is not None and row.status is not HTTPStatus.SWITCHING_PROTOCOLS:
        schema = {"type": "string"} if row.media == EVENTS else _schema(row.answer)
        success["content"] = {row.media.partition(";")[0]: {"schema": schema}}
        if row.media == EVENTS:
            success["description"] = (
                f"Server-sent events; the data of each is JSON: {_schema(row.answer)['$ref']}"
            )
    responses = {str(int(row.status)): success}
    for status, kinds in _failures(row).items():
        responses[str(int(status))] = {
            "description": "; ".join(sorted((kind.__doc__ or "").split("\n")[0] for kind in kinds)),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
        }
    return responses


def _failures(row: Endpoint) -> dict[HTTPStatus, set[type[DomusError]]]:
    kinds: set[type[DomusError]] = {Internal, *row.errors}
    if row.body is not None:
        kinds |= {BadInput, TooLarge}
    if row.query:
        kinds |= {BadInput}
    by_status: dict[HTTPStatus, set[type[DomusError]]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), set()).add(kind)
    return dict(sorted(by_status.items()))


def _schema(kind: Any) -> Document:
    if kind is bytes:
        return {"type": "string", "format": "binary"}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _is_modelled(kind: Any) -> bool:
    return kind not in (None, bytes, str, dict)


def _operation_id(row: Endpoint) -> str:
    """A name for generators of clients, such as "post_domains_ref_shutdown"."""
    words = re.findall(r"\w+", row.path.removeprefix("/v1").replace(".json", ""))
    return "_".join([row.method.lower(), *(words or ["api"])])
