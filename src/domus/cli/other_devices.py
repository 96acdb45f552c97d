"""Virtual TPMs, and lists of consoles, channels and keyboards."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from domus.cli.block import domain_and_device
from domus.cli.carry_out import carry_out
from domus.cli.device_table import number, path, show, wrong_count
from domus.model.config import Vtpm
from domus.model.errors import NotFound

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.live import DeviceInfo


def list_vtpms(call: Call) -> int:
    """`xm vtpm-list DOM [-l|--long] [--json]`."""
    return show(call, "vtpm", "Idx  BE handle state evt-ch ring-ref BE-path", vtpm_row)


def vtpm_row(device: DeviceInfo) -> str:
    """One row of xm's table, its two spaces at the end included."""
    handle, events, ring = (
        number(device, "handle", 0),
        number(device, "event-channel"),
        number(device, "ring-ref"),
    )
    return (
        f"{device.devid:<3}   {device.backend_domid:<3}  {handle:<3}   {device.state:<3}    {events:<3}    "
        f"{ring:<5} {path(device):<30}  "
    )


def attach_vtpm(call: Call) -> int:
    """`xm vtpm-attach DOM backend=DOM [uuid=UUID]`."""
    domain, *words = call.words
    given = dict(word.partition("=")[::2] for word in words)
    if "backend" not in given or given.keys() - {"backend", "uuid"}:
        raise call.wrong("vtpm-attach needs backend=DOM, and takes uuid=UUID", hint="as xl has it")
    vtpm = Vtpm(backend_domain=given["backend"], uuid=given.get("uuid"))
    carry_out(call.client, lambda: call.client.passthrough.attach_vtpm(domain, vtpm))
    return 0


def detach_vtpm(call: Call) -> int:
    """`xm vtpm-detach DOM DEVID|UUID [-f]`."""
    domain, place = domain_and_device(call)
    known = call.client.devices.list(domain, "vtpm")
    meant = [each.devid for each in known if place in (str(each.devid), each.backend_nodes.get("uuid"))]
    if not meant:
        raise NotFound(f"Device {place} not connected")
    force = call.has("force")
    carry_out(call.client, lambda: call.client.passthrough.detach_vtpm(domain, meant[0], force=force))
    return 0


def list_consoles(call: Call) -> int:
    """`xm console-list DOM [--json]`: all consoles, the first one included."""
    return _plain(call, "console", named=False)


def list_channels(call: Call) -> int:
    """`xm channel-list DOM [--json]`: the consoles that have a name."""
    return _plain(call, "console", named=True)


def list_keyboards(call: Call) -> int:
    """`xm vkb-list DOM [--json]`."""
    return _plain(call, "vkb", named=False)


def list_9p(call: Call) -> int:
    """`xm 9p-list DOM [--json]`: the directories of the host that the domain shares."""
    return _plain(call, "9pfs", named=False)


def _plain(call: Call, kind: str, *, named: bool) -> int:
    if len(call.words) != 1:
        return wrong_count(call)
    found = call.client.devices.list(call.words[0], kind)
    devices = [device for device in found if not named or name(device)]
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(devices))
    elif devices:
        print(f"{'Idx':<3} {'BE':<3} {'state':<5} {'name':<16} {'BE-path':<30}")
        for device in devices:
            shown = name(device) or "-"
            print(f"{device.devid:<3} {device.backend_domid:<3} {device.state:<5} {shown:<16} {path(device)}")
    return 0


def name(device: DeviceInfo) -> str:
    """What a channel or a shared directory is called; printable, and short."""
    nodes = device.backend_nodes | device.frontend_nodes
    return re.sub(r"\s", " ", nodes.get("name") or nodes.get("tag") or "")[:64]
