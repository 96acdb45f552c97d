"""A DomainConfig as xm's XML, the poorest of its languages: what it cannot say is listed."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from domus.config.writing import Written
from domus.config.writing.variables import cpu_text, to_variables
from domus.model.config import Action, DiskFormat, DomainConfig, GuestType

_ACTIONS = {
    Action.RENAME_RESTART: "rename_restart",
    Action.COREDUMP_DESTROY: "coredump_and_destroy",
    Action.COREDUMP_RESTART: "coredump_and_restart",
}


def write_xml(config: DomainConfig) -> Written:
    """`<xm>` with its `<vm>` and `<vdi>`s, indented by tabs as xm wrote it."""
    root = ET.Element("xm")
    losses: list[str] = []
    vm = ET.SubElement(root, "vm", _attributes(config))
    name = ET.SubElement(vm, "name")
    ET.SubElement(name, "label").text = config.name
    ET.SubElement(name, "description").text = config.description or " "
    ET.SubElement(vm, "version").text = "0"
    _kernel(vm, config)
    bytes_of = {
        key: str(value << 20)
        for key, value in (
            ("static_min", 0),
            ("static_max", config.maxmem_mib or config.memory_mib),
            ("dynamic_min", config.memory_mib),
            ("dynamic_max", config.memory_mib),
        )
    }
    ET.SubElement(vm, "memory", bytes_of)
    _disks(root, vm, config, losses)
    for index, nic in enumerate(config.nics):
        ET.SubElement(
            vm,
            "vif",
            {
                "name": f"vif{index}",
                "mac": nic.mac or "",
                "mtu": str(nic.mtu or ""),
                "device": f"eth{index}",
                "qos_algorithm_type": "",
                "network": nic.bridge or "",
                "security_label": "",
            },
        )
        for field in ("ips", "script", "rate_bytes", "vifname", "model", "backend_domain", "kind", "network"):
            if getattr(nic, field):
                losses.append(f"vif {index}: {field}")
    for vfb in config.framebuffers:
        _screen(
            vm,
            vfb.vnc.enable is not False,
            {
                "vnclisten": vfb.vnc.listen,
                "vncpasswd": vfb.vnc.password,
                "display": vfb.sdl.display,
                "vncdisplay": None if vfb.vnc.display is None else str(vfb.vnc.display),
            },
        )
    _platform(vm, config, losses)
    ET.indent(root, "\t")
    text = '<?xml version="1.0" ?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    return Written(text, tuple(f"{loss}: xm's XML has no place for it" for loss in losses))


def _attributes(config: DomainConfig) -> dict[str, str]:
    def action(value: Action) -> str:
        return _ACTIONS.get(value, value.value)

    return {
        "PCI_bus": "",
        "actions_after_crash": action(config.on_crash),
        "actions_after_reboot": action(config.on_reboot),
        "actions_after_shutdown": action(config.on_poweroff),
        "auto_power_on": str(config.autostart).lower(),
        "is_a_template": "false",
        "pool_name": config.cpupool or "Pool-0",
        "s3_integrity": "1",
        "superpages": "0",
        "vcpus_at_startup": str(config.vcpus),
        "vcpus_max": str(config.maxvcpus or config.vcpus),
    }


def _kernel(vm: ET.Element, config: DomainConfig) -> None:
    if config.guest_type is GuestType.HVM:
        hvm = ET.SubElement(vm, "hvm", {"boot_policy": "BIOS order"})
        order = (config.hvm.boot if config.hvm is not None else None) or "cda"
        ET.SubElement(hvm, "boot_param", {"key": "order", "value": order})
        return
    ET.SubElement(
        vm,
        "pv",
        {
            "args": config.cmdline
            if config.cmdline.startswith("root=")
            else f"root= {config.cmdline}".rstrip(),
            "bootloader": config.bootloader or "",
            "bootloader_args": " ".join(config.bootloader_args),
            "kernel": config.kernel or "",
            "ramdisk": config.ramdisk or "",
        },
    )


def _disks(root: ET.Element, vm: ET.Element, config: DomainConfig, losses: list[str]) -> None:
    for index, disk in enumerate(config.disks):
        target = disk.target or ""
        prefix = "" if not target else "phy:" if target.startswith("/dev/") else "file:"
        if target and disk.format is not DiskFormat.RAW:
            prefix = f"tap:{disk.format.value}:"
        if disk.script is not None:
            prefix = f"{disk.script.removeprefix('block-')}:"
        ET.SubElement(
            vm,
            "vbd",
            {
                "bootable": "1",
                "device": disk.vdev,
                "mode": "RW" if disk.writable else "RO",
                "name": f"vdb{index}",
                "qos_algorithm_type": "",
                "type": "CD" if disk.cdrom else "disk",
                "vdi": f"vdi{index}",
            },
        )
        image = ET.SubElement(
            root,
            "vdi",
            {
                "name": f"vdi{index}",
                "read_only": str(not disk.writable),
                "sharable": str(disk.shared),
                "size": "-1",
                "src": prefix + target,
                "type": "system",
            },
        )
        name = ET.SubElement(image, "name")
        ET.SubElement(name, "label").text = f"vdi{index}"
        ET.SubElement(name, "description").text = " "
        if disk.backend_domain or disk.backend or disk.discard is not None:
            losses.append(f"disk {disk.vdev}: its backend")


def _screen(vm: ET.Element, is_vnc: bool, settings: dict[str, str | None]) -> None:
    console = ET.SubElement(vm, "console", {"protocol": "rfb"})
    for key, value in {"type": "vnc" if is_vnc else "sdl", **settings}.items():
        if value is not None:
            ET.SubElement(console, "other_config", {"key": key, "value": value})


def _platform(vm: ET.Element, config: DomainConfig, losses: list[str]) -> None:
    made = to_variables(config, "xm")
    said = {
        "name",
        "builder",
        "type",
        "extra",
        "kernel",
        "ramdisk",
        "bootloader",
        "bootloader_args",
        "memory",
        "maxmem",
        "vcpus",
        "maxvcpus",
        "on_poweroff",
        "on_reboot",
        "on_crash",
        "disk",
        "vif",
        "vfb",
        "pool",
        "boot",
        "cpus",
        "cpu_weight",
        "cap",
        "description",
        "on_xend_start",
    }
    keys = {
        "nomigrate",
        "tsc_mode",
        "localtime",
        "acpi",
        "apic",
        "pae",
        "hpet",
        "vnc",
        "vnclisten",
        "vncpasswd",
        "vncdisplay",
        "vncunused",
        "sdl",
        "usb",
        "usbdevice",
        "serial",
        "soundhw",
        "videoram",
        "rtc_timeoffset",
        "viridian",
        "xen_platform_pci",
        "timer_mode",
        "hap",
        "oos",
        "keymap",
        "vpt_align",
    }
    for name, value in made.values.items():
        if name in said:
            continue
        if name in keys and not isinstance(value, list):
            ET.SubElement(vm, "platform", {"key": name, "value": str(value)})
        else:
            losses.append(name)
    for key, value in (("weight", made.values.get("cpu_weight")), ("cap", made.values.get("cap"))):
        if value is not None:
            ET.SubElement(vm, "vcpu_param", {"key": key, "value": str(value)})
    for number, cpus in enumerate(config.cpus):
        if cpus:
            ET.SubElement(vm, "vcpu_param", {"key": f"cpumap{number}", "value": cpu_text(cpus)})
    ET.SubElement(vm, "other_config", {"key": "transient", "value": "True"})
