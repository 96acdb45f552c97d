"""Devices of the host that domains own."""

from __future__ import annotations

from typing import Final

from domus.cli.command import Command, Option
from domus.cli.declared.options import JSON

_LONG: Final = Option("l", "long", "Print all that is known of each, in SXP.")
_FORCE: Final = Option("f", "force", "Take it away whether the guest agrees or not.")

_ASSIGNABLE: Final = "List the PCI devices that domains can be given."

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="pci-attach",
        usage="[-o KEY=VALUE ...] DOM BDF [VSLOT]",
        sentence="Give a PCI device of the host to a running domain.",
        runs="pci:attach",
        options=(
            Option(
                "o",
                "options",
                "msitranslate, power_mgmt, permissive or seize, and 0 or 1.",
                value="KEY=VALUE",
            ),
        ),
    ),
    Command(
        name="pci-detach",
        usage="[-f|--force] DOM BDF",
        sentence="Take a PCI device from a running domain.",
        runs="pci:detach",
        counts=(2, 3),
        options=(_FORCE,),
    ),
    Command(
        name="pci-list",
        usage="DOM [--json]",
        sentence="List the PCI devices of a domain.",
        runs="pci:list_devices",
        options=(JSON,),
    ),
    Command(
        name="pci-list-assignable-devices",
        usage="[--json]",
        sentence=_ASSIGNABLE,
        runs="pci:list_assignable",
        options=(JSON,),
    ),
    Command(
        name="pci-assignable-list",
        origin="xl",
        usage="[--json]",
        sentence=_ASSIGNABLE,
        runs="pci:list_assignable",
        options=(JSON,),
    ),
    Command(
        name="pci-assignable-add",
        origin="xl",
        usage="BDF",
        sentence="Take a PCI device from its driver, so that domains can be given it.",
        runs="pci:make_assignable",
        counts=(1, 1),
    ),
    Command(
        name="pci-assignable-remove",
        origin="xl",
        usage="[-r] BDF",
        sentence="Give a PCI device back to the host.",
        runs="pci:make_unassignable",
        counts=(1, 2),
        options=(Option("r", "rebind", "Give it to the driver that it had before."),),
    ),
    Command(
        name="usb-add",
        usage="DOM host:BUS.ADDR|host:VENDOR:PRODUCT",
        sentence="Give a USB device of the host to an HVM domain.",
        runs="usb:add",
        counts=(2, 2),
    ),
    Command(
        name="usb-del",
        usage="DOM host:BUS.ADDR|host:VENDOR:PRODUCT",
        sentence="Take a USB device from an HVM domain.",
        runs="usb:delete",
        counts=(2, 2),
    ),
    Command(
        name="usb-attach",
        usage="DOM DEVID PORT BUSID",
        sentence="Plug a USB device of the host into a domain's controller.",
        runs="usb:attach",
        counts=(4, 4),
    ),
    Command(
        name="usb-detach",
        usage="DOM DEVID PORT",
        sentence="Unplug a USB device from a domain's controller.",
        runs="usb:detach",
        counts=(3, 3),
    ),
    Command(
        name="usb-list",
        usage="DOM [--json]",
        sentence="List a domain's USB controllers and devices.",
        runs="usb:list_devices",
        counts=(1, 2),
        options=(JSON,),
    ),
    Command(
        name="usb-list-assignable-devices",
        usage="[--json]",
        sentence="List the USB devices that domains can be given.",
        runs="usb:list_assignable",
        options=(JSON,),
    ),
    Command(
        name="usb-hc-create",
        usage="DOM USBVER NUMPORTS",
        sentence="Give a domain a USB controller.",
        runs="usb:create_controller",
        counts=(3, 3),
    ),
    Command(
        name="usb-hc-destroy",
        usage="DOM DEVID",
        sentence="Take a USB controller from a domain.",
        runs="usb:destroy_controller",
        counts=(2, 2),
    ),
    Command(
        name="usbctrl-attach",
        origin="xl",
        usage="DOM [type=TYPE] [version=N] [ports=N]",
        sentence="Give a domain a USB controller, in xl's words.",
        runs="usb:attach_controller",
        counts=(1, 4),
    ),
    Command(
        name="usbctrl-detach",
        origin="xl",
        usage="DOM DEVID",
        sentence="Take a USB controller from a domain.",
        runs="usb:destroy_controller",
        counts=(2, 2),
    ),
    Command(
        name="usbdev-attach",
        origin="xl",
        usage="DOM hostbus=N hostaddr=N [controller=DEVID [port=N]]",
        sentence="Plug a USB device of the host into a domain's controller, in xl's words.",
        runs="usb:attach_device",
        counts=(2, 6),
    ),
    Command(
        name="usbdev-detach",
        origin="xl",
        usage="DOM DEVID PORT",
        sentence="Unplug a USB device from a domain's controller.",
        runs="usb:detach",
        counts=(3, 3),
    ),
)
