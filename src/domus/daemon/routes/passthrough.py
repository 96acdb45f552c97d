"""Devices of the host that domains own: PCI, USB."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from domus.daemon.routes.devices import begins
from domus.daemon.routes.endpoint import Call, Endpoint, number
from domus.model.errors import DomainNotFound, HostProblem, LibxlError, NotFound
from domus.model.live import (
    AttachPci,
    AttachUsbController,
    AttachUsbDevice,
    HostUsb,
    MakeAssignable,
    PciInfo,
    UsbControllerInfo,
)
from domus.model.operation import Operation


async def list_pci(call: Call) -> list[PciInfo]:
    """Those of a domain."""
    return await call.xend.domains.passthrough.list_pci(call.path("ref"))


async def attach_pci(call: Call) -> Operation:
    """Begin to give one."""
    wanted = await call.body(AttachPci)
    return await call.xend.domains.passthrough.attach_pci(call.path("ref"), wanted.device, who=call.who)


async def detach_pci(call: Call) -> Operation:
    """Begin to take one."""
    wanted = await call.body(AttachPci)
    return await call.xend.domains.passthrough.detach_pci(
        call.path("ref"), wanted.device, force=wanted.force, who=call.who
    )


async def list_assignable(call: Call) -> list[PciInfo]:
    """Those that could be given."""
    return await call.xend.domains.passthrough.list_assignable()


async def make_assignable(call: Call) -> None:
    """Take one from its driver."""
    wanted = await call.body(MakeAssignable)
    await call.xend.domains.passthrough.make_assignable(wanted.device, rebind=wanted.rebind)


async def make_unassignable(call: Call) -> None:
    """Take one back."""
    wanted = await call.body(MakeAssignable)
    await call.xend.domains.passthrough.make_unassignable(wanted.device, rebind=wanted.rebind)


async def list_usb(call: Call) -> list[UsbControllerInfo]:
    """Those of a domain."""
    return await call.xend.domains.passthrough.list_usb(call.path("ref"))


async def host_usb(call: Call) -> list[HostUsb]:
    """Those of the host."""
    from domus.devices.host_usb import devices

    return await asyncio.to_thread(devices)


async def attach_usb_controller(call: Call) -> Operation:
    """Begin to give one."""
    wanted = await call.body(AttachUsbController)
    return await call.xend.domains.passthrough.attach_usb_controller(
        call.path("ref"), wanted.controller, who=call.who
    )


async def detach_usb_controller(call: Call) -> Operation:
    """Begin to take one."""
    return await call.xend.domains.passthrough.detach_usb_controller(
        call.path("ref"), number(call.path("devid"), "devid"), who=call.who
    )


async def attach_usb(call: Call) -> Operation:
    """Begin to give one."""
    wanted = await call.body(AttachUsbDevice)
    return await call.xend.domains.passthrough.attach_usb(call.path("ref"), wanted.device, who=call.who)


async def detach_usb(call: Call) -> Operation:
    """Begin to take one."""
    controller, port = (number(call.path(name), name) for name in ("controller", "port"))
    return await call.xend.domains.passthrough.detach_usb(call.path("ref"), controller, port, who=call.who)


_PCI, _ASSIGNABLE = "/v1/domains/{ref}/pci", "/v1/host/pci/assignable"
_CONTROLLERS, _DEVICES = "/v1/domains/{ref}/usb-controllers", "/v1/domains/{ref}/usb-devices"

ENDPOINTS = (
    Endpoint(
        "GET",
        _PCI,
        list_pci,
        "The PCI devices that a domain owns.",
        answer=list[PciInfo],
        errors=(DomainNotFound,),
    ),
    begins("POST", _PCI, attach_pci, "Give a domain a PCI device.", body=AttachPci),
    begins("DELETE", _PCI, detach_pci, "Take a PCI device from a domain.", body=AttachPci),
    Endpoint(
        "GET",
        _ASSIGNABLE,
        list_assignable,
        "The PCI devices that a domain could be given.",
        answer=list[PciInfo],
        errors=(HostProblem,),
    ),
    Endpoint(
        "PUT",
        _ASSIGNABLE,
        make_assignable,
        "Take a PCI device of the host from its driver.",
        body=MakeAssignable,
        status=HTTPStatus.NO_CONTENT,
        errors=(NotFound, HostProblem, LibxlError),
    ),
    Endpoint(
        "DELETE",
        _ASSIGNABLE,
        make_unassignable,
        "Give a PCI device back to the host.",
        body=MakeAssignable,
        status=HTTPStatus.NO_CONTENT,
        errors=(NotFound, HostProblem, LibxlError),
    ),
    Endpoint(
        "GET",
        _CONTROLLERS,
        list_usb,
        "A domain's USB controllers and what is plugged into them.",
        answer=list[UsbControllerInfo],
        errors=(DomainNotFound,),
    ),
    begins("POST", _CONTROLLERS, attach_usb_controller, "Give a USB controller.", body=AttachUsbController),
    begins("DELETE", f"{_CONTROLLERS}/{{devid}}", detach_usb_controller, "Take a USB controller."),
    begins("POST", _DEVICES, attach_usb, "Plug a USB device of the host in.", body=AttachUsbDevice),
    begins("DELETE", f"{_DEVICES}/{{controller}}/{{port}}", detach_usb, "Unplug a USB device."),
    Endpoint("GET", "/v1/host/usb", host_usb, "The USB devices of the host.", answer=list[HostUsb]),
)
