"""`xm network-attach`, `network-detach`, `network-list`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from domus.cli.block import domain_and_device
from domus.cli.carry_out import carry_out
from domus.cli.device_table import number, path, show
from domus.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.options import Call
    from domus.model.config import Nic
    from domus.model.live import DeviceInfo

_XM_KEYS: Final = ("type", "mac", "bridge", "ip", "script", "backend", "vifname", "rate", "model", "accel")
#: with those that xl added, and ours (from network on)
_KEYS: Final = frozenset(
    {*_XM_KEYS, "gatewaydev", "mtu", "devid", "vlan", "network", "antispoof", "isolated"}
)
_FLAGS: Final = ("trusted", "untrusted")
_MAC: Final = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){5}")


def attach(call: Call) -> int:
    """`xm network-attach DOM [KEY=VALUE ...]`."""
    domain, *words = call.words
    nic = _card(call, words)
    persist = call.has("persist")
    carry_out(call.client, lambda: call.client.devices.attach_nic(domain, nic, persist=persist))
    return 0


def detach(call: Call) -> int:
    """`xm network-detach DOM DEVID|MAC [-f|--force]`."""
    domain, place = domain_and_device(call)
    force, persist = call.has("force"), call.has("persist")
    carry_out(
        call.client, lambda: call.client.devices.detach_nic(domain, place, force=force, persist=persist)
    )
    return 0


def list_devices(call: Call) -> int:
    """`xm network-list DOM [-l|--long] [--json]`."""
    return show(call, "vif", "Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref BE-path", row)


def row(device: DeviceInfo) -> str:
    """One row of xm's table, its two spaces at the end included."""
    mac = device.backend_nodes.get("mac") or device.frontend_nodes.get("mac", "")
    handle, events = number(device, "handle", 0), number(device, "event-channel")
    send, receive = number(device, "tx-ring-ref"), number(device, "rx-ring-ref")
    return (
        f"{device.devid:<3} {device.backend_domid:<3}{mac:<17}    {handle:<3}   {device.state:<3}    "
        f"{events:<3}   {send:<5}/{receive:<5}   {path(device):<30}  "
    )


def _card(call: Call, words: Sequence[str]) -> Nic:
    from domus.config import alone

    for word in words:
        key, sign, value = word.partition("=")
        if word in _FLAGS:
            continue
        if not sign or not value or "=" in value or key not in _KEYS:
            raise call.wrong(f"Invalid argument: {word}")
        if key == "mac" and not _MAC.fullmatch(value):
            raise BadInput("Cannot create a new virtual network interface - MAC address is not valid!")
        if "," in value:
            raise call.wrong(f"Invalid argument: {word}")
    return alone.nic(",".join(words), warn=lambda finding: print(f"Warning: {finding}", file=sys.stderr))
