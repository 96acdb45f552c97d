"""What disks there are, and where they are stored."""

from __future__ import annotations

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.errors import LibxlError
from domus.model.storage import Storage


async def storage(call: Call) -> Storage:
    """All disks and stores."""
    return await call.xend.domains.stored.report()


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/storage",
        storage,
        "The disks of this host's domains, managed ones too, and how full it is where they are stored.",
        answer=Storage,
        errors=(LibxlError,),
    ),
)
