"""Buttons and keys, uptimes, the topology of the host, what xend was told."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from domus.daemon.routes.endpoint import Call, Endpoint
from domus.model.debugging import (
    DebugKeysRequest,
    MonitorAnswer,
    MonitorRequest,
    OverlayRequest,
    ParametersRequest,
    SysrqRequest,
    TriggerRequest,
    Uptime,
)
from domus.model.errors import BadInput, DomainNotFound, Forbidden, HostProblem, LibxlError, WrongState
from domus.model.topology import HostTopology


async def trigger(call: Call) -> None:
    """Press a button of a domain."""
    wanted = await call.body(TriggerRequest)
    await call.xend.domains.debugging.trigger(call.path("ref"), wanted.trigger, wanted.vcpu)


async def sysrq(call: Call) -> None:
    """Press a SysRq key of a domain."""
    wanted = await call.body(SysrqRequest)
    await call.xend.domains.debugging.sysrq(call.path("ref"), wanted.key)


async def monitor(call: Call) -> MonitorAnswer:
    """Have QEMU's monitor carry a command out."""
    wanted = await call.body(MonitorRequest)
    return MonitorAnswer(text=await call.xend.domains.debugging.monitor(call.path("ref"), wanted.command))


async def debug_keys(call: Call) -> None:
    """Press keys of Xen's."""
    wanted = await call.body(DebugKeysRequest)
    await call.xend.domains.debugging.debug_keys(wanted.keys)


async def set_parameters(call: Call) -> None:
    """Change parameters of Xen's."""
    wanted = await call.body(ParametersRequest)
    await call.xend.domains.debugging.set_parameters(wanted.parameters)


async def dt_overlay(call: Call) -> None:
    """Change the host's device tree."""
    wanted = await call.body(OverlayRequest)
    await call.xend.domains.debugging.dt_overlay(wanted.overlay, wanted.do, wanted.domain)


async def uptimes(call: Call) -> list[Uptime]:
    """Of all domains."""
    return await call.xend.domains.debugging.uptimes()


async def uptime(call: Call) -> Uptime:
    """Of one domain."""
    (found,) = await call.xend.domains.debugging.uptimes([call.path("ref")])
    return found


async def topology(call: Call) -> HostTopology:
    """Where the CPUs are."""
    from domus.domains.topology import host_topology

    return await asyncio.to_thread(host_topology, call.xend.libxl)


async def settings(call: Call) -> dict[str, str]:
    """What xend was told."""
    return call.xend.settings.shown()


_NO_CONTENT = HTTPStatus.NO_CONTENT

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/domains/{ref}/trigger",
        trigger,
        "Press a button of a domain.",
        body=TriggerRequest,
        status=_NO_CONTENT,
        errors=(DomainNotFound, WrongState, Forbidden, LibxlError),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/sysrq",
        sysrq,
        "Press a magic SysRq key of a domain.",
        body=SysrqRequest,
        status=_NO_CONTENT,
        errors=(DomainNotFound, WrongState, LibxlError),
    ),
    Endpoint(
        "POST",
        "/v1/domains/{ref}/monitor",
        monitor,
        "Have the monitor of a domain's QEMU carry a command out.",
        body=MonitorRequest,
        answer=MonitorAnswer,
        errors=(DomainNotFound, WrongState, Forbidden, LibxlError),
    ),
    Endpoint(
        "GET",
        "/v1/uptimes",
        uptimes,
        "How long all domains have been running.",
        answer=list[Uptime],
        errors=(LibxlError,),
    ),
    Endpoint(
        "GET",
        "/v1/domains/{ref}/uptime",
        uptime,
        "How long a domain has been running.",
        answer=Uptime,
        errors=(DomainNotFound,),
    ),
    Endpoint(
        "POST",
        "/v1/host/debug-keys",
        debug_keys,
        "Press keys on Xen's console; it answers in its messages.",
        body=DebugKeysRequest,
        status=_NO_CONTENT,
        errors=(LibxlError,),
    ),
    Endpoint(
        "POST",
        "/v1/host/parameters",
        set_parameters,
        "Change parameters of Xen's command line while it runs.",
        body=ParametersRequest,
        status=_NO_CONTENT,
        errors=(LibxlError,),
    ),
    Endpoint(
        "POST",
        "/v1/host/dt-overlay",
        dt_overlay,
        "Change the host's device tree, or give a domain what an overlay brought (Arm).",
        body=OverlayRequest,
        status=_NO_CONTENT,
        errors=(BadInput, DomainNotFound, WrongState, HostProblem, LibxlError),
    ),
    Endpoint(
        "GET",
        "/v1/host/topology",
        topology,
        "Where the host's CPUs, nodes and devices are.",
        answer=HostTopology,
        errors=(LibxlError,),
    ),
    Endpoint(
        "GET",
        "/v1/host/settings",
        settings,
        "What this xend was told, by the names of its options.",
        answer=dict[str, str],
    ),
)
