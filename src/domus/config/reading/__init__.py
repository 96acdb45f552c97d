"""Understands a document: checks its variables and makes the domain's configuration of them."""

from __future__ import annotations

from typing import Final

from domus.config.document import Document
from domus.config.parameters import TABLE
from domus.config.reading import (
    cmdline,
    cpuid,
    cpus,
    disks,
    emulated,
    framebuffers,
    identity,
    nics,
    others,
    pci,
    sound,
    usb,
)
from domus.config.reading.fields import assemble
from domus.config.reading.reading import Reading
from domus.config.suggestions import closest
from domus.model.config import DomainConfig, GuestType

#: what composes fields of the model from several parameters, in the order that they need each other
_COMPOSERS: Final = (
    identity.name_and_uuid,
    identity.kernel,
    identity.actions,
    identity.bootloader_arguments,
    identity.security,
    cmdline.command_line,
    cpus.memory,
    cpus.vcpus,
    cpus.affinity,
    cpus.vnuma,
    disks.disks,
    nics.nics,
    emulated.emulated,
    framebuffers.screens,
    pci.pci_devices,
    usb.usb,
    others.others,
    sound.sound,
    cpuid.cpuid,
)

#: parameters that files of every guest type carry along; nobody wants to hear that they do not count
_CARRIED: Final = frozenset(
    [
        "vnc",
        "vnclisten",
        "vncpasswd",
        "vncdisplay",
        "vncunused",
        "sdl",
        "opengl",
        "display",
        "xauthority",
        "keymap",
        "stdvga",
        "videoram",
        "pae",
        "acpi",
        "apic",
        "boot",
        "hap",
        "oos",
        "usb",
        "serial",
        "localtime",
        "nographic",
        "timer_mode",
    ]
)


def understand(document: Document) -> DomainConfig:
    """The configuration that a document describes.

    Raises:
        InvalidConfig: with everything that is wrong.
    """
    reading = Reading(document)
    check_names(document)
    reading.read_plain()
    identity.guest_type(reading)
    _take_fields(reading)
    _take_equivalents(reading)
    for compose in _COMPOSERS:
        compose(reading)
    document.report.check()
    return assemble(reading.fields)


def check_names(document: Document) -> None:
    """Every variable must be a parameter that exists."""
    for name, variable in document.variables.items():
        if name not in TABLE:
            place = variable.named or variable.place
            document.report.error(f"unknown parameter {name[:60]!r}", place, suggestion(name))


_ALIASES: Final = {
    "on_shutdown": "on_poweroff",
    "mem": "memory",
    "cpus_weight": "cpu_weight",
    "disks": "disk",
    "vifs": "vif",
    "network": "vif",
    "cores": "vcpus",
    "initrd": "ramdisk",
    "append": "extra",
}


def suggestion(name: str) -> str:
    """A hint for a parameter that does not exist."""
    meant = _ALIASES.get(name) or closest(name, TABLE)
    return f"did you mean {meant}?" if meant else "`xm create --help_config` lists all parameters"


def _take_fields(reading: Reading) -> None:
    """Carry values that need nothing else into the model's fields."""
    for name, value in reading.values.items():
        parameter = TABLE[name]
        if parameter.guests and reading.guest_type.value not in parameter.guests.split():
            if name == "timer_mode" and not reading.is_xm:
                reading.error(name, "PV guests have no emulated timers", "remove this line")
            elif name not in _CARRIED and not (reading.is_xm and value in (0, False, "", ())):
                reading.warn(name, f"is for {parameter.guests.upper().replace(' ', ' and ')} guests; ignored")
        elif parameter.field:
            reading.fields[parameter.field] = value


def _take_equivalents(reading: Reading) -> None:
    """Other names of the same thing, and fields that one parameter sets in another's way."""
    if reading.value("cpu_cap") is not None:
        reading.default("scheduling.cap", reading.value("cpu_cap"))
    if reading.value("blkif") or reading.value("netif"):
        reading.default("driver_domain", True)
    if reading.is_hvm and "stubdom-dm" in (reading.value("device_model") or ""):
        reading.default("device_model.stubdomain", True)
    if reading.guest_type is not GuestType.HVM and reading.value("apic") is not None:
        reading.fields.pop("apic", None)
