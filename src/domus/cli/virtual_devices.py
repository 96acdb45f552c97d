"""Virtual TPMs, keyboards, displays and sound cards; and lists of consoles and channels."""

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
    from collections.abc import Callable

    from domus.cli.options import Call
    from domus.model.config import Vdispl, Vkb, Vsnd
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
    carry_out(call.client, lambda: call.client.virtual_devices.attach(domain, vtpm))
    return 0


def detach_vtpm(call: Call) -> int:
    """`xm vtpm-detach DOM DEVID|UUID [-f]`."""
    domain, place = domain_and_device(call)
    known = call.client.devices.list(domain, "vtpm")
    meant = [each.devid for each in known if place in (str(each.devid), each.backend_nodes.get("uuid"))]
    if not meant:
        raise NotFound(f"Device {place} not connected")
    return _detach(call, domain, "vtpm", meant[0])


def attach_vkb(call: Call) -> int:
    """`xm vkb-attach DOM backend-type=qemu|linux [KEY=VALUE ...]`."""
    from domus.config import alone

    return _attach(call, lambda words: alone.vkb(",".join(words)))


def attach_vdispl(call: Call) -> int:
    """`xm vdispl-attach DOM [backend=DOM] [be-alloc=0|1] connectors=ID:WxH[;...]`."""
    from domus.config import alone

    return _attach(call, lambda words: alone.vdispl(",".join(words)))


def attach_vsnd(call: Call) -> int:
    """`xm vsnd-attach DOM CARD,... PCM,... STREAM,...`."""
    from domus.config import alone

    return _attach(call, alone.vsnd)


def detach_vkb(call: Call) -> int:
    """`xm vkb-detach DOM DEVID [-f]`."""
    return _detach_number(call, "vkb")


def detach_vdispl(call: Call) -> int:
    """`xm vdispl-detach DOM DEVID [-f]`."""
    return _detach_number(call, "vdispl")


def detach_vsnd(call: Call) -> int:
    """`xm vsnd-detach DOM DEVID [-f]`."""
    return _detach_number(call, "vsnd")


def _attach(call: Call, read: Callable[[list[str]], Vkb | Vdispl | Vsnd]) -> int:
    if len(call.words) < 2:
        raise call.wrong(f"'xm {call.command.name}' needs a domain and what to attach")
    domain, *words = call.words
    device = read(words)
    carry_out(call.client, lambda: call.client.virtual_devices.attach(domain, device))
    return 0


def _detach_number(call: Call, kind: str) -> int:
    domain, place = domain_and_device(call)
    if not place.isascii() or not place.isdecimal():
        raise call.wrong(f"{place} is not the number of a device", hint=f"xm {kind}-list {domain} has them")
    return _detach(call, domain, kind, int(place))


def _detach(call: Call, domain: str, kind: str, devid: int) -> int:
    force = call.has("force")
    carry_out(call.client, lambda: call.client.virtual_devices.detach(domain, kind, devid, force=force))
    return 0


def list_consoles(call: Call) -> int:
    """`xm console-list DOM [--json]`: all consoles, the first one included."""
    return _plain(call, "console", named=False)


def list_channels(call: Call) -> int:
    """`xm channel-list DOM [--json]`: the consoles that have a name."""
    return _plain(call, "console", named=True)


def list_vkbs(call: Call) -> int:
    """`xm vkb-list DOM [--json]`."""
    return _plain(call, "vkbd", named=False)  # so it is called in XenStore


def list_vdispls(call: Call) -> int:
    """`xm vdispl-list DOM [--json]`."""
    return _plain(call, "vdispl", named=False)


def list_vsnds(call: Call) -> int:
    """`xm vsnd-list DOM [--json]`."""
    return _plain(call, "vsnd", named=False)


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
