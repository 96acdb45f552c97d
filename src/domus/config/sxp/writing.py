"""A DomainConfig as SXP, in the shape and order of `xm create -n` and `xm list --long`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any, Final

from domus.config.sxp.printer import pretty
from domus.config.writing import Written
from domus.config.writing.devices import nic_text, pci_text, uname, vfb_text, xl_disk, xm_disk
from domus.config.writing.variables import Variables, to_variables
from domus.model.config import Disk, DomainConfig, GuestType

Tree = list[Any]

_TOP: Final = (
    "name",
    "memory",
    "maxmem",
    "shadow_memory",
    "on_poweroff",
    "tsc_mode",
    "nomigrate",
    "on_reboot",
    "on_crash",
    "on_xend_start",
    "on_xend_stop",
    "description",
)
_AFTER: Final = ("uuid", "cpus", "cpu_cap", "cpu_weight")
_IMAGE: Final = ("kernel", "ramdisk", "loader", "videoram", "parallel", "serial")
_HVM: Final = (
    "acpi",
    "apic",
    "boot",
    "fda",
    "fdb",
    "gfx_passthru",
    "hap",
    "hpet",
    "keymap",
    "localtime",
    "nestedhvm",
    "nographic",
    "oos",
    "opengl",
    "pae",
    "rtc_timeoffset",
    "sdl",
    "soundhw",
    "stdvga",
    "timer_mode",
    "usb",
    "usbdevice",
    "vnc",
    "vncdisplay",
    "vnclisten",
    "vncunused",
    "viridian",
    "vpt_align",
    "xauthority",
    "xen_platform_pci",
    "vncpasswd",
)
#: what is said by other entries
_ELSEWHERE: Final = (
    "irq",
    "builder",
    "type",
    "extra",
    "vcpus",
    "maxvcpus",
    "vcpu_avail",
    "localtime",
    "oos",
    "pool_name",
    "bootloader",
    "bootloader_args",
    "bootargs",
    "driver_domain",
    "seclabel",
)
_DEVICES: Final = ("disk", "vif", "vfb", "pci", "ioports", "irqs")
#: the order that children of devices have by tradition
_OF_VIFS: Final = ("bridge", "mac", "script", "ip", "type", "vifname", "rate", "model", "backend")
_OF_SCREENS: Final = ("vnc", "vncunused", "vncdisplay", "vnclisten", "sdl", "opengl", "display", "xauthority")
#: parameters of xl that a list in SXP has no name for by tradition; written beside the others
_TRANSLATED: Final = {"cap": "cpu_cap", "pool": "pool_name", "irqs": "irq"}


def write_sxp(config: DomainConfig) -> Written:
    """`(vm ...)`, pretty-printed."""
    made = to_variables(config, "xm")
    return Written(pretty(domain_tree(config, made=made)), tuple(made.losses))


def domain_tree(
    config: DomainConfig,
    *,
    head: str = "vm",
    before: Iterable[Tree] = (),
    after: Iterable[Tree] = (),
    made: Variables | None = None,
) -> Tree:
    """The nested lists of a domain.

    Args:
        head: "vm", or "domain" for a listing.
        before: entries that a listing has first, such as `["domid", 3]`.
        after: entries that a listing has between the image and the devices.
    """
    made = made or to_variables(config, "xm")
    values = dict(made.values)
    values = {_TRANSLATED.get(name, name): value for name, value in values.items()}
    tree: Tree = [head, *before]
    _entries(tree, values, _TOP)
    most = config.maxvcpus or config.vcpus
    if most != config.vcpus or config.avail_vcpus:
        online = config.avail_vcpus or tuple(range(config.vcpus))
        tree.append(["vcpu_avail", sum(1 << number for number in online)])
    tree.append(["vcpus", most])
    _entries(tree, values, _AFTER)
    if config.driver_domain:
        tree.append(["backend", ["blkif"]])
    _entries(tree, values, ("localtime", "oos", "pool_name", "bootloader"))
    if config.bootloader is not None or config.bootloader_args:
        tree.append(["bootloader_args", shlex.join(config.bootloader_args)])
    tree.append(["image", _image(config, values)])
    tree.extend(after)
    tree.extend(["device", device] for device in _devices(made))
    if config.security_label is not None:
        tree.append(["security", [["access_control", ["policy", ""], ["label", config.security_label]]]])
    _remaining(made, values, tree)
    return tree


def _entries(tree: Tree, values: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name in values:
            value = values[name]
            tree.append([name, list(value) if isinstance(value, list | tuple) else value])


def _image(config: DomainConfig, values: dict[str, Any]) -> Tree:
    is_hvm = config.guest_type is GuestType.HVM
    image: Tree = [{GuestType.PV: "linux"}.get(config.guest_type, config.guest_type.value)]
    single = {
        name: value[0]
        if isinstance(value, list) and len(value) == 1 and name in ("serial", "usbdevice")
        else value
        for name, value in values.items()
    }
    single = {name: value for name, value in single.items() if not isinstance(value, list)}
    _entries(image, single, _IMAGE)
    if config.cmdline:
        image.append(["args", config.cmdline])
    if is_hvm:
        if single.get("vga") == "stdvga":
            image.append(["stdvga", 1])
        _entries(image, single, _HVM)
    return image


def _devices(made: Variables) -> Iterable[Tree]:
    config = made.config
    for disk in config.disks:
        yield _disk(disk)
    for nic in config.nics:
        yield ["vif", *_ordered(_said(nic_text(nic, made)), _OF_VIFS)]
    if config.pci_devices:
        yield [
            "pci",
            *(["dev", *_pci(pci_text(device))] for device in config.pci_devices if device.name is None),
        ]
    for ports in config.ioports:
        yield ["ioports", ["from", f"0x{ports.first:x}"], ["to", f"0x{ports.first + ports.number - 1:x}"]]
    for number in config.irqs:
        yield ["irq", ["irq", number]]
    for vfb in config.framebuffers:
        yield ["vkbd"]
        yield ["vfb", *_ordered(_said(vfb_text(vfb)), _OF_SCREENS)]


def _disk(disk: Disk) -> Tree:
    """A disk; what xend had no words for stands whole beside them, where an old reader passes over it."""
    plain = xm_disk(disk)
    mode = "w" if disk.writable else "r"
    words = [uname(disk), disk.vdev, mode] if plain is None else plain.split(",")
    kind = "tap" if words[0].startswith("tap:") else "vbd"
    tree: Tree = [kind, *map(list, zip(("uname", "dev", "mode", "backend"), words, strict=False))]
    return tree if plain is not None else [*tree, ["spec", xl_disk(disk)]]


def _said(text: str) -> dict[str, str]:
    """The pairs of a specification; a flag says 1, or with `un` in front of it 0."""
    said = {}
    for part in filter(None, text.split(",")):
        key, sign, value = part.partition("=")
        said[key.removeprefix("un")] = value if sign else str(int(not key.startswith("un")))
    return said


def _ordered(said: dict[str, str], first: tuple[str, ...]) -> Tree:
    return [[key, said[key]] for key in (*first, *(said.keys() - set(first))) if key in said]


def _pci(text: str) -> Tree:
    address, *options = text.split(",")
    place, _, slot = address.partition("@")
    domain, bus, rest = place.split(":")
    device, _, function = rest.partition(".")
    tree = [
        ["domain", f"0x{domain}"],
        ["bus", f"0x{bus}"],
        ["slot", f"0x{device}"],
        ["func", f"0x{function}"],
    ]
    tree.append(["vdevfn", f"0x{int(slot, 16) << 3:x}" if slot else "0x100"])
    if options:
        pairs = (option.partition("=")[::2] for option in options)
        given: Tree = ["opts", *([key, value] for key, value in pairs)]
        tree.append(given)
    return tree


def _remaining(made: Variables, values: dict[str, Any], tree: Tree) -> None:
    """Parameters that xend never knew, by their names; our reader takes them, an old one passes over them."""
    said = {*_TOP, *_AFTER, *_DEVICES, *_ELSEWHERE} | {entry[0] for entry in _children(tree, "image")}
    usual = {"on_watchdog": "destroy", "on_soft_reset": "soft-reset"}
    for name, value in values.items():
        if name not in said and usual.get(name) != value:
            tree.append([name, _lists(value)])


def _children(tree: Tree, name: str) -> list[Tree]:
    return [entry for child in tree if isinstance(child, list) and child[0] == name for entry in child[1][1:]]


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
