"""Virtual devices with backends of their own: TPMs, keyboards, displays, sound cards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domus.daemon.routes.devices import FORCE, begins
from domus.daemon.routes.endpoint import Call, Endpoint, number
from domus.domains.virtual_devices import VirtualDevice
from domus.model.config import Vdispl, Vkb, Vsnd, Vtpm
from domus.model.operation import Operation

Handler = Callable[[Call], Awaitable[Operation]]


def _attach(kind: type[VirtualDevice]) -> Handler:
    async def attach(call: Call) -> Operation:
        """Begin to attach one."""
        device = await call.body(kind)
        return await call.xend.domains.virtual_devices.attach(call.path("ref"), device, who=call.who)

    return attach


def _detach(kind: str) -> Handler:
    async def detach(call: Call) -> Operation:
        """Begin to take one."""
        devid = number(call.path("devid"), "devid")
        return await call.xend.domains.virtual_devices.detach(
            call.path("ref"), kind, devid, force=call.flag("force"), who=call.who
        )

    return detach


def _endpoints(kind: str, model: type[VirtualDevice], what: str) -> tuple[Endpoint, Endpoint]:
    path = f"/v1/domains/{{ref}}/{kind}s"
    return (
        begins("POST", path, _attach(model), f"Attach a {what}.", body=model),
        begins("DELETE", f"{path}/{{devid}}", _detach(kind), f"Detach a {what}.", query=FORCE),
    )


ENDPOINTS = (
    *_endpoints("vtpm", Vtpm, "virtual TPM"),
    *_endpoints("vkb", Vkb, "virtual keyboard and pointer"),
    *_endpoints("vdispl", Vdispl, "virtual display"),
    *_endpoints("vsnd", Vsnd, "virtual sound card"),
)
