"""xm's XML (create.dtd of Xen 4.4) as variables of an xm file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Final

from domus.config.document import Variable
from domus.config.parameters import TABLE
from domus.config.parameters.numbers import whole
from domus.config.problems import Report

Put = Callable[[str, object], None]

#: the vdevfn of a device that goes wherever there is room
_AUTOMATIC_SLOT: Final = 0x100


def document_of(report: Report, root: ET.Element) -> dict[str, Variable]:
    """The variables of the first `vm`.

    Raises:
        InvalidConfig: there is none.
    """
    vm = root if root.tag == "vm" else root.find("vm")
    if vm is None:
        raise report.fail("this defines no domain", hint="expected <vm> in <xm>")
    found: dict[str, Variable] = {}

    def put(name: str, value: object) -> None:
        if value not in (None, "", []):
            found.setdefault(name, Variable(value))

    put("name", (vm.findtext("name/label") or "").strip())
    put("description", (vm.findtext("name/description") or "").strip())
    for attribute, name in (
        ("actions_after_shutdown", "on_poweroff"),
        ("actions_after_reboot", "on_reboot"),
        ("actions_after_crash", "on_crash"),
        ("vcpus_at_startup", "vcpus"),
    ):
        put(name, vm.get(attribute))
    if vm.get("vcpus_max") != vm.get("vcpus_at_startup"):
        put("maxvcpus", vm.get("vcpus_max"))
    if vm.get("auto_power_on") == "true":
        put("on_xend_start", "start")
    if vm.get("pool_name") != "Pool-0":
        put("pool", vm.get("pool_name"))
    label = (vm.get("security_label") or "").split(":", 2)[-1]
    put("seclabel", label)
    _boot(vm, put)
    memory = vm.find("memory")
    if memory is not None:
        put("memory", _mebibytes(report, memory, "dynamic_max"))
        if memory.get("static_max") != memory.get("dynamic_max"):
            put("maxmem", _mebibytes(report, memory, "static_max"))
    put("disk", _disks(report, root, vm))
    put("vif", [_vif(vif) for vif in vm.findall("vif")])
    put("pci", [_pci(device) for device in vm.findall("pci")])
    put("vfb", [_console(console) for console in vm.findall("console") if console.get("protocol") == "rfb"])
    for key, value in _pairs(vm, "platform"):
        if key in TABLE and not value and TABLE[key].kind.read("") is not None:
            found.setdefault(key, Variable(""))  # such as a password that is none at all
        elif key in TABLE:
            put(key, value)
    _vcpu_params(vm, put)
    return found


def _boot(vm: ET.Element, put: Put) -> None:
    pv = vm.find("pv")
    if pv is None:
        put("builder", "hvm")
        order = next((p.get("value") for p in vm.findall("hvm/boot_param") if p.get("key") == "order"), None)
        put("boot", order)
        return
    for name in ("kernel", "bootloader", "ramdisk"):
        put(name, pv.get(name))
    put("bootargs", pv.get("bootloader_args"))
    # xm always wrote root= in front, even with nothing behind it.
    line = (pv.get("args") or "").strip()
    put("extra", line.removeprefix("root= ") if line != "root=" else "")


def _mebibytes(report: Report, memory: ET.Element, name: str) -> int | None:
    text = memory.get(name) or ""
    if not text.isdecimal() or len(text) > 20:
        report.error(f"memory {name}: expected a number of bytes, not {text[:20]!r}")
        return None
    return int(text) >> 20


def _disks(report: Report, root: ET.Element, vm: ET.Element) -> list[str]:
    images = {image.get("name"): image for image in root.findall("vdi")}
    found = []
    for index, vbd in enumerate(vm.findall("vbd")):
        image = images.get(vbd.get("vdi"))
        if image is None:
            report.error(f"vbd {index}: there is no vdi {(vbd.get('vdi') or '')[:40]!r}")
            continue
        mode = "r" if vbd.get("mode") == "RO" else "w!" if image.get("sharable") == "True" else "w"
        device = (vbd.get("device") or "") + (":cdrom" if vbd.get("type") == "CD" else "")
        found.append(f"{image.get('src') or ''},{device},{mode}")
    return found


def _vif(vif: ET.Element) -> str:
    pairs = {"mac": vif.get("mac"), "bridge": vif.get("network"), "mtu": vif.get("mtu")}
    return ",".join(f"{key}={value}" for key, value in pairs.items() if value)


def _pci(device: ET.Element) -> str:
    domain, bus, slot, function = (
        (device.get(key) or "0").removeprefix("0x") for key in ("domain", "bus", "slot", "func")
    )
    options = "".join(f",{option.get('key')}={option.get('value')}" for option in device.findall("pci_opt"))
    placed = whole(device.get("vdevfn"))
    place = "" if placed is None or placed >= _AUTOMATIC_SLOT else f"@{placed >> 3:02x}"
    return f"{domain}:{bus}:{slot}.{function}{place}{options}"


def _pairs(element: ET.Element, name: str) -> list[tuple[str, str]]:
    return [(child.get("key") or "", child.get("value") or "") for child in element.findall(name)]


def _console(console: ET.Element) -> str:
    said = {key: value for key, value in _pairs(console, "other_config") if value or key == "vncpasswd"}
    kind = said.pop("type", "vnc")
    known = {key: value for key, value in said.items() if key in TABLE}
    return ",".join([f"{kind}=1", *(f"{key}={value}" for key, value in known.items() if key != kind)])


def _vcpu_params(vm: ET.Element, put: Put) -> None:
    maps: dict[int, str] = {}
    for key, value in _pairs(vm, "vcpu_param"):
        if key in ("weight", "cap"):
            put(f"cpu_{key}", value)
        elif key.startswith("cpumap") and key[6:].isdecimal() and len(key) < 11:
            maps[int(key[6:])] = value
    if maps and any(maps.values()):
        texts = [maps[number] or "all" for number in sorted(maps)]
        put("cpus", texts[0] if len(set(texts)) == 1 else texts)
