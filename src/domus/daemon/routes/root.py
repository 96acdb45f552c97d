"""Who answers, and the API's own description."""

from __future__ import annotations

import os
from functools import lru_cache

from starlette.responses import Response

import domus
from domus.daemon.routes.endpoint import JSON, Call, Endpoint
from domus.model.api import ApiInfo


async def api(call: Call) -> ApiInfo:
    """Who answers."""
    return ApiInfo(version=domus.__version__, host=os.uname().nodename)


async def document(call: Call) -> Response:
    """The OpenAPI document."""
    return Response(_document(), media_type=JSON)


@lru_cache(maxsize=1)
def _document() -> bytes:
    import msgspec

    from domus.daemon.openapi import describe
    from domus.daemon.routes.table import ENDPOINTS

    return msgspec.json.encode(describe(ENDPOINTS))


ENDPOINTS = (
    Endpoint("GET", "/v1", api, "Who answers, and what it can do.", answer=ApiInfo),
    Endpoint("GET", "/openapi.json", document, "This document.", answer=dict),
)
