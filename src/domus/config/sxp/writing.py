"""A DomainConfig as SXP, in the shape and order of `xm create -n` and `xm list --long`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from domus.config.sxp.printer import pretty
from domus.config.writing import Written
from domus.config.writing.devices import disk_text, pci_text
from domus.config.writing.variables import Variables, to_variables
from domus.model.config import DiskFormat, DomainConfig, GuestType

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
    if config.bootloader is not None:
        tree.append(["bootloader_args", " ".join(config.bootloader_args)])
    tree.append(["image", _image(config, values)])
    tree.extend(after)
    tree.extend(["device", device] for device in _devices(config))
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


def _pairs(*pairs: tuple[str, Any]) -> Tree:
    return [
        [key, int(value) if isinstance(value, bool) else value]
        for key, value in pairs
        if value is not None and value != ""
    ]


def _devices(config: DomainConfig) -> Iterable[Tree]:
    for disk in config.disks:
        target = disk.target or ""
        if disk.script is not None:
            uname = f"{disk.script.removeprefix('block-')}:{target}"
        elif not target:
            uname = ""
        elif disk.format is DiskFormat.RAW:
            uname = (
                target
                if target.startswith("lun:")
                else ("phy:" if target.startswith("/dev/") else "file:") + target
            )
        else:
            uname = f"tap:{disk.format.value}:{target}"
        mode = "w!" if disk.shared else "w" if disk.writable and not disk.cdrom else "r"
        name = disk.vdev + (":cdrom" if disk.cdrom else "")
        yield [
            "tap" if uname.startswith("tap:") else "vbd",
            ["uname", uname],
            ["dev", name],
            ["mode", mode],
            *_pairs(("backend", disk.backend_domain)),
        ]
    for nic in config.nics:
        rate = (
            None
            if nic.rate_bytes is None
            else f"{nic.rate_bytes * 1_000_000 // (nic.rate_interval_us or 50_000)}B/s"
        )
        if rate is not None and nic.rate_interval_us not in (None, 50_000):
            rate += f"@{nic.rate_interval_us}us"
        kind = {"vif_ioemu": "ioemu", "vif": "vif"}.get(nic.kind.value) if nic.kind is not None else None
        yield [
            "vif",
            *_pairs(
                ("bridge", nic.bridge),
                ("mac", nic.mac),
                ("script", nic.script),
                ("ip", " ".join(nic.ips)),
                ("type", kind),
                ("vifname", nic.vifname),
                ("rate", rate),
                ("model", nic.model),
                ("backend", nic.backend_domain),
            ),
        ]
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
        yield [
            "vfb",
            *_pairs(
                ("vnc", True if vfb.vnc.enable is None else vfb.vnc.enable),
                ("vncunused", vfb.vnc.find_unused),
                ("vncdisplay", vfb.vnc.display),
                ("vnclisten", vfb.vnc.listen),
                ("sdl", vfb.sdl.enable),
                ("opengl", vfb.sdl.opengl),
                ("display", vfb.sdl.display),
                ("xauthority", vfb.sdl.xauthority),
                ("keymap", vfb.keymap),
            ),
            *([] if vfb.vnc.password is None else [["vncpasswd", vfb.vnc.password]]),
        ]


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
    for index, disk in enumerate(made.config.disks):
        if "=" in disk_text(disk, made):
            made.lose(f"disk[{index}]: SXP has no place for some of its options")
    for index, nic in enumerate(made.config.nics):
        if any(
            (
                nic.devid is not None,
                nic.mtu,
                nic.gateway_device,
                nic.vlan,
                nic.network,
                nic.trusted is not None,
            )
        ):
            made.lose(f"vif[{index}]: SXP has no place for some of its options")


def _children(tree: Tree, name: str) -> list[Tree]:
    return [entry for child in tree if isinstance(child, list) and child[0] == name for entry in child[1][1:]]


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
