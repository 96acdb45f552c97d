"""A DomainConfig as xm's XML, the poorest of its languages."""

from __future__ import annotations

import shlex
import xml.etree.ElementTree as ET
from typing import Any, Final

from domus.config.writing import Written
from domus.config.writing.devices import uname
from domus.config.writing.variables import cpu_text, to_variables
from domus.model.config import Action, DomainConfig, GuestType

_ACTIONS: Final = {
    Action.RENAME_RESTART: "rename_restart",
    Action.COREDUMP_DESTROY: "coredump_and_destroy",
    Action.COREDUMP_RESTART: "coredump_and_restart",
}
#: variables that elements of their own say; and the uuid, which xm never wrote
_SAID: Final = frozenset([
    "name", "uuid", "description", "builder", "type", "kernel", "ramdisk", "extra", "bootloader", "bootargs",
    "bootloader_args", "boot", "memory", "maxmem", "vcpus", "maxvcpus", "cpus", "cpu_weight", "cap", "pool",
    "on_poweroff", "on_reboot", "on_crash", "on_xend_start", "seclabel", "disk", "vif", "vfb", "pci",
])  # fmt: skip
#: variables that mean the same when they are absent
_DEFAULTS: Final = {"on_watchdog": Action.DESTROY, "on_soft_reset": Action.SOFT_RESET}


def write_xml(config: DomainConfig) -> Written:
    """`<xm>` with its `<vm>` and `<vdi>`s, indented by tabs as xm wrote it."""
    variables = to_variables(config, "xm").values
    root = ET.Element("xm")
    vm = ET.SubElement(root, "vm", _attributes(config))
    name = ET.SubElement(vm, "name")
    ET.SubElement(name, "label").text = config.name
    ET.SubElement(name, "description").text = config.description or " "
    ET.SubElement(vm, "version").text = "0"
    _kernel(vm, config)
    _memory(vm, config)
    _disks(root, vm, config)
    _nics(vm, config)
    for text in variables.get("pci", ()):
        if not text.startswith("name="):
            _pci(vm, text)
    for text in variables.get("vfb", ()):
        _screen(vm, dict(part.partition("=")[::2] for part in text.split(",")))
    _platform(vm, config, variables)
    ET.indent(root, "\t")
    text = '<?xml version="1.0" ?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    return Written(text)


def _memory(vm: ET.Element, config: DomainConfig) -> None:
    sizes = {
        "static_min": 0,
        "static_max": config.maxmem_mib or config.memory_mib,
        "dynamic_min": config.memory_mib,
        "dynamic_max": config.memory_mib,
    }
    ET.SubElement(vm, "memory", {key: str(size << 20) for key, size in sizes.items()})


def _nics(vm: ET.Element, config: DomainConfig) -> None:
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


def _attributes(config: DomainConfig) -> dict[str, str]:
    def action(value: Action) -> str:
        return _ACTIONS.get(value, value.value)

    label = {} if config.security_label is None else {"security_label": f"::{config.security_label}"}
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
        **label,
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
            "bootloader_args": shlex.join(config.bootloader_args),
            "kernel": config.kernel or "",
            "ramdisk": config.ramdisk or "",
        },
    )


def _disks(root: ET.Element, vm: ET.Element, config: DomainConfig) -> None:
    for index, disk in enumerate(config.disks):
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
                "src": uname(disk),
                "type": "system",
            },
        )
        name = ET.SubElement(image, "name")
        ET.SubElement(name, "label").text = f"vdi{index}"
        ET.SubElement(name, "description").text = " "


def _pci(vm: ET.Element, text: str) -> None:
    """A PCI device from its specification, `DDDD:BB:SS.F[@VSLOT][,option=value]`."""
    address, *options = text.split(",")
    place, _, slot = address.partition("@")
    domain, _, rest = place.partition(":")
    bus, _, rest = rest.partition(":")
    device, _, function = rest.partition(".")
    numbers = {"domain": domain, "bus": bus, "slot": device, "func": function}
    said = {key: f"0x{number}" for key, number in numbers.items()}
    if slot:
        said["vdevfn"] = f"0x{int(slot, 16) << 3:x}"
    element = ET.SubElement(vm, "pci", {**said, "key": place})
    for option in options:
        key, _, value = option.partition("=")
        ET.SubElement(element, "pci_opt", {"key": key, "value": value})


def _screen(vm: ET.Element, settings: dict[str, str]) -> None:
    console = ET.SubElement(vm, "console", {"protocol": "rfb"})
    kind = "vnc" if settings.get("vnc") == "1" else "sdl"
    for key, value in {"type": kind, **settings}.items():
        if key != kind:
            ET.SubElement(console, "other_config", {"key": key, "value": value})


def _platform(vm: ET.Element, config: DomainConfig, variables: dict[str, Any]) -> None:
    """Everything else, by the names of the parameters; xend kept keys that it did not know."""
    for name, value in variables.items():
        single = value[0] if isinstance(value, list) and len(value) == 1 else value
        if name not in _SAID and not isinstance(single, list) and _DEFAULTS.get(name) != value:
            ET.SubElement(vm, "platform", {"key": name, "value": str(single)})
    for key, value in (("weight", variables.get("cpu_weight")), ("cap", variables.get("cap"))):
        if value is not None:
            ET.SubElement(vm, "vcpu_param", {"key": key, "value": str(value)})
    for number, cpus in enumerate(config.cpus):
        if cpus:
            ET.SubElement(vm, "vcpu_param", {"key": f"cpumap{number}", "value": cpu_text(cpus)})
    ET.SubElement(vm, "other_config", {"key": "transient", "value": "True"})
