"""`xm pci-attach`, `pci-detach`, `pci-list`, `pci-list-assignable-devices`, `pci-assignable-…`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from domus.cli.carry_out import carry_out
from domus.model.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domus.cli.options import Call
    from domus.model.config import PciDevice
    from domus.model.live import PciInfo


def attach(call: Call) -> int:
    """`xm pci-attach [-o KEY=VALUE ...] DOM BDF [VSLOT]`: one operation for each function of the device."""
    if not 2 <= len(call.words) <= 3:
        raise call.wrong("Invalid argument for 'xm pci-attach'")
    domain, address, *slot = call.words
    text = f"{address}@{slot[0]}" if slot else address
    for option in call.values("options"):
        if "=" not in option:
            raise BadInput(f"Invalid pci attach option: {option}")
        text += f",{option}"
    for device in _devices(text, address):
        carry_out(call.client, lambda device=device: call.client.passthrough.attach_pci(domain, device))  # type: ignore[misc]
    return 0


def detach(call: Call) -> int:
    """`xm pci-detach [-f] DOM BDF`."""
    domain, address = call.words
    force = call.has("force")
    for device in _devices(address, address):
        carry_out(
            call.client,
            lambda device=device: call.client.passthrough.detach_pci(domain, device, force=force),  # type: ignore[misc]
        )
    return 0


def list_devices(call: Call) -> int:
    """`xm pci-list DOM [--json]`: nothing is printed when it has none."""
    from domus.cli.device_table import wrong_count

    if len(call.words) != 1:
        return wrong_count(call)
    found = call.client.passthrough.pci(call.words[0])
    if call.has("json"):
        return _json(found)
    sys.stdout.write(table(found))
    return 0


def table(devices: Sequence[PciInfo]) -> str:
    """Header and rows, by slot in the guest, then by address."""
    if not devices:
        return ""
    ordered = sorted(devices, key=lambda each: (each.vdevfn is None, each.vdevfn or 0, each.address))
    if all(each.vdevfn is None for each in devices):
        return "".join(f"{line}\n" for line in ("Device", *(each.address for each in ordered)))
    rows = (f"{_slot(each):<4} {each.address}" for each in ordered)
    return "".join(f"{line}\n" for line in ("Vdev Device", *rows))


def list_assignable(call: Call) -> int:
    """`xm pci-list-assignable-devices [--json]`."""
    found = call.client.passthrough.assignable_pci()
    if call.has("json"):
        return _json(found)
    for each in found:
        print(each.address)
    return 0


def make_assignable(call: Call) -> int:
    """`xm pci-assignable-add BDF`."""
    (address,) = call.words
    for device in _devices(address, address):
        call.client.passthrough.make_assignable(device)
    return 0


def make_unassignable(call: Call) -> int:
    """`xm pci-assignable-remove [-r] BDF`."""
    (address,) = call.words
    for device in _devices(address, address):
        call.client.passthrough.make_unassignable(device, rebind=call.has("rebind"))
    return 0


def _devices(text: str, shown: str) -> list[PciDevice]:
    from domus.config import alone

    try:
        return alone.pci(text)
    except ConfigError as error:
        raise BadInput(f"Failed to parse pci device: {shown}", hint=error.what) from None


def _slot(device: PciInfo) -> str:
    return "-" if device.vdevfn is None else f"{device.vdevfn >> 3:02x}.{device.vdevfn & 7:x}"


def _json(found: Sequence[PciInfo]) -> int:
    from domus.cli.as_json import document

    sys.stdout.write(document(found))
    return 0
