"""Devices of running domains: `client.devices`. What changes something returns an operation, see `finish`."""

from __future__ import annotations

import msgspec

from domus.client.calls import Calls, domain_path
from domus.client.requests import quote
from domus.model.config import Disk, Nic
from domus.model.live import AttachDisk, AttachNic, DeviceInfo
from domus.model.operation import Operation


class Devices:
    """Disks, network cards and other devices of one domain after the other.

    `persist`: the configuration of the managed domain is changed, too.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self, ref: str, kind: str) -> list[DeviceInfo]:
        """Those of one kind: "vbd", "vif", "vtpm", "console", "vkb", "9pfs" and others."""
        return self._calls.get(f"{domain_path(ref)}/devices/{quote(kind)}", list[DeviceInfo])

    def attach_disk(self, ref: str, disk: Disk, *, persist: bool = False) -> Operation:
        """Begin to attach a disk."""
        request = AttachDisk(disk=disk, persist=persist)
        return self._calls.post(f"{domain_path(ref)}/disks", request, Operation)

    def change_medium(self, ref: str, disk: Disk) -> Operation:
        """Begin to put another medium into the CD drive of that name; no target takes it out."""
        return self._ask("PUT", f"{domain_path(ref)}/disks", AttachDisk(disk=disk))

    def detach_disk(self, ref: str, name: str, *, force: bool = False, persist: bool = False) -> Operation:
        """Begin to take a disk away, by its name in the guest or its number."""
        return self._ask("DELETE", f"{domain_path(ref)}/disks/{_part(name)}{_how(force, persist)}")

    def attach_nic(self, ref: str, nic: Nic, *, persist: bool = False) -> Operation:
        """Begin to attach a network card."""
        request = AttachNic(nic=nic, persist=persist)
        return self._calls.post(f"{domain_path(ref)}/nics", request, Operation)

    def detach_nic(self, ref: str, place: str, *, force: bool = False, persist: bool = False) -> Operation:
        """Begin to take a network card away, by its number or MAC address."""
        return self._ask("DELETE", f"{domain_path(ref)}/nics/{_part(place)}{_how(force, persist)}")

    def _ask(self, method: str, target: str, body: msgspec.Struct | None = None) -> Operation:
        return msgspec.json.decode(self._calls.ask(method, target, body), type=Operation)


def _how(force: bool, persist: bool) -> str:
    return f"?force={int(force)}&persist={int(persist)}"


def _part(name: str) -> str:
    """A name as a part of a path; none that xend could know is empty or has a slash in it."""
    return quote(name.replace("/", "_") or "_")
