"""Devices of running domains: listed, attached, detached. {ref} is a name, an id or a uuid."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from domus.daemon.routes.endpoint import Call, Endpoint, Query
from domus.model.errors import AlreadyExists, BadInput, Busy, DomainNotFound, NotFound, WrongState
from domus.model.live import AttachDisk, AttachNic, DeviceInfo
from domus.model.operation import Operation


async def devices(call: Call) -> list[DeviceInfo]:
    """Those of one kind."""
    return await call.xend.domains.device_lists.list(call.path("ref"), call.path("kind"))


async def attach_disk(call: Call) -> Operation:
    """Begin to attach one."""
    wanted = await call.body(AttachDisk)
    return await call.xend.domains.attachments.attach_disk(
        call.path("ref"), wanted.disk, persist=wanted.persist, who=call.who
    )


async def change_medium(call: Call) -> Operation:
    """Begin to change one."""
    wanted = await call.body(AttachDisk)
    return await call.xend.domains.attachments.change_medium(call.path("ref"), wanted.disk, who=call.who)


async def detach_disk(call: Call) -> Operation:
    """Begin to take one away."""
    return await call.xend.domains.attachments.detach_disk(
        call.path("ref"),
        call.path("name"),
        force=call.flag("force"),
        persist=call.flag("persist"),
        who=call.who,
    )


async def attach_nic(call: Call) -> Operation:
    """Begin to attach one."""
    wanted = await call.body(AttachNic)
    return await call.xend.domains.attachments.attach_nic(
        call.path("ref"), wanted.nic, persist=wanted.persist, who=call.who
    )


async def detach_nic(call: Call) -> Operation:
    """Begin to take one away."""
    return await call.xend.domains.attachments.detach_nic(
        call.path("ref"),
        call.path("place"),
        force=call.flag("force"),
        persist=call.flag("persist"),
        who=call.who,
    )


FORCE = (Query("force", bool, "take it away at once, without asking the guest"),)
_DETACH = (*FORCE, Query("persist", bool, "take it out of the configuration of the managed domain, too"))


def begins(method: str, path: str, run: Any, what: str, **more: Any) -> Endpoint:
    """A row for what goes on after the answer."""
    return Endpoint(
        method,
        path,
        run,
        f"{what} The operation goes on after the answer.",
        answer=Operation,
        status=HTTPStatus.ACCEPTED,
        errors=(DomainNotFound, NotFound, AlreadyExists, WrongState, Busy),
        **more,
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/domains/{ref}/devices/{kind}",
        devices,
        "The devices of one kind: vbd, vif, vtpm, console, vkb, 9pfs and others.",
        answer=list[DeviceInfo],
        errors=(DomainNotFound, BadInput),
    ),
    begins("POST", "/v1/domains/{ref}/disks", attach_disk, "Attach a disk.", body=AttachDisk),
    begins("PUT", "/v1/domains/{ref}/disks", change_medium, "Change a CD drive's medium.", body=AttachDisk),
    begins("DELETE", "/v1/domains/{ref}/disks/{name}", detach_disk, "Detach a disk.", query=_DETACH),
    begins("POST", "/v1/domains/{ref}/nics", attach_nic, "Attach a network card.", body=AttachNic),
    begins(
        "DELETE",
        "/v1/domains/{ref}/nics/{place}",
        detach_nic,
        "Detach a network card, by its number or MAC address.",
        query=_DETACH,
    ),
)
