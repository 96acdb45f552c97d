"""A domain in SXP (`xm create -n`, `xm list --long`, config.sxp of xend) as variables of an xm file."""

from __future__ import annotations

import re
from typing import Any, Final

from domus.config.document import Document, Variable
from domus.config.parameters import TABLE
from domus.config.problems import Place, Report
from domus.config.reading.cmdline import composed
from domus.config.sxp.devices import DEVICES
from domus.config.sxp.parser import Atom, Branch, parse

#: what a listing adds about a running domain, and what xend kept for itself
_IGNORED: Final = frozenset(
    [
        "domid",
        "start_time",
        "cpu_time",
        "online_vcpus",
        "status",
        "differs",
        "state",
        "store_mfn",
        "console_mfn",
        "up_time",
        "shutdown_reason",
        "is_a_template",
        "other_config",
        "VCPUs_live",
        "notes",
        "device_model_pid",
        "memory_static_min",
        "memory_dynamic_min",
        "auto_power_on",
        "xend_uuid",
        "ssidref",
        "running_on_host",
    ]
)
_RENAMED: Final = {"pool_name": "pool", "image": "", "device": "", "backend": "", "cpuid": "", "cpus": ""}
#: keys of managed domains (Xen-API names) by ours; they count where ours are missing
_MANAGED: Final = {
    "name_label": "name",
    "name_description": "description",
    "VCPUs_max": "vcpus",
    "PV_kernel": "kernel",
    "PV_ramdisk": "ramdisk",
    "PV_bootloader": "bootloader",
    "PV_bootloader_args": "bootloader_args",
    "actions_after_shutdown": "on_poweroff",
    "actions_after_reboot": "on_reboot",
    "actions_after_crash": "on_crash",
}


class Collector:
    """Gathers variables; the first value of a name counts, as xend's reader had it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.variables: dict[str, Variable] = {}

    def put(self, name: str, value: Any, place: Place) -> None:
        """Set a variable, unless it is set."""
        self.variables.setdefault(name, Variable(value, place))

    def add(self, name: str, item: str, place: Place) -> None:
        """Append to a list variable."""
        before = self.variables.get(name) or Variable([], place)
        self.variables[name] = Variable([*before.value, item], before.place, (*before.items, place))


def read_sxp(report: Report) -> Document:
    """The document of the first domain in a text.

    Raises:
        InvalidConfig: it is not well-formed, or has no domain.
    """
    forms = parse(report)
    domain = next(
        (form for form in forms if isinstance(form, Branch) and form.head in ("vm", "domain")), None
    )
    if domain is None:
        raise report.fail("this defines no domain", hint="expected (vm ...) or (domain ...)")
    collector = Collector(report)
    for child in domain.children():
        _child(collector, child)
    _boot_disk(collector, domain)
    for child in domain.children():
        _managed(collector, child)
    return Document(report, "xm", collector.variables)


def _child(collector: Collector, child: Branch) -> None:
    name = child.head
    if name == "image":
        for image in child.children()[:1]:
            _image(collector, image)
    elif name == "device":
        for device in child.children()[:1]:
            _device(collector, device)
    elif name == "backend":
        for backend in child.children():
            if backend.head in ("blkif", "netif"):
                collector.put(backend.head, 1, backend.place)
    elif name == "cpus":
        _cpus(collector, child)
    elif name in ("cpuid", "cpuid_check"):
        _cpuid(collector, child, name)
    elif name == "security" or name == "security_label":
        _security(collector, child)
    elif name in TABLE or name in _RENAMED:
        _plain(collector, child, _RENAMED.get(name, name))
    elif name and name not in _IGNORED and name not in _MANAGED and not _is_managed(name):
        collector.report.warn(f"unknown entry {name[:40]!r}; ignored", child.place)


def _is_managed(name: str) -> bool:
    return name.startswith(
        ("VCPUs", "PV_", "HVM_", "memory_", "platform", "vcpus_params", "actions_", "Desc")
    )


def _plain(collector: Collector, child: Branch, name: str) -> None:
    if len(child) < 2:
        return
    item = child[1]
    if isinstance(item, Branch):
        if item and name not in ("pci", "features"):  # devices say it better
            collector.put(name, _lists(item), item.place)
    elif name == "bootloader_args" and not item.text:
        collector.put(name, [], item.place)  # none at all, not even xend's -q
    elif item.text not in ("", "None") or name in ("vncpasswd", "spicepasswd"):
        collector.put(name, item.text, item.place)


def _lists(branch: Branch) -> list[Any]:
    return [item.text if isinstance(item, Atom) else _lists(item) for item in branch]


def _image(collector: Collector, image: Branch) -> None:
    builder = image.head
    if builder in ("linux", "hvm", "generic"):
        collector.put("builder", builder, image.place)
    else:
        collector.put("type", builder, image.place)
    said = {child.head: child for child in image.children()}
    for name in ("root", "ip", "args"):
        said.setdefault(name, Branch(image.place))
    line = composed(said["root"].value(), said["ip"].value(), said["args"].value())
    if line and (builder != "hvm" or (child := said.get("kernel")) is None or child.value()):
        collector.put("cmdline", line, said["args"].place)
    for name, child in said.items():
        if name in ("root", "ip", "args", "vcpus", "cpuid", "cpuid_check", "device_model", "notes", "pci"):
            continue
        if name in TABLE:
            _plain(collector, child, name)


def _device(collector: Collector, device: Branch) -> None:
    found = DEVICES.get(device.head)
    if found is None:
        collector.report.warn(f"unknown device {device.head[:40]!r}; ignored", device.place)
        return
    name, specifications = found
    for specification in specifications(device):
        if specification is None:
            collector.put(name, ["device"], device.place)
        else:
            collector.add(name, specification, device.place)


def _boot_disk(collector: Collector, domain: Branch) -> None:
    """The bootloader takes the first disk; if another one is marked bootable, it comes first."""
    disks = collector.variables.get("disk")
    if disks is None:
        return
    marks = []
    for device in (
        child.children()[0] for child in domain.children() if child.head == "device" and child.children()
    ):
        if device.head in ("vbd", "tap", "tap2"):
            mark = device.child("bootable")
            marks.append(mark is None or mark.value() in ("1", "True"))
    if len(marks) == len(disks.value) and not all(marks):
        order = sorted(range(len(marks)), key=lambda index: not marks[index])
        value = [disks.value[index] for index in order]
        collector.variables["disk"] = Variable(
            value, disks.place, tuple(disks.items[index] for index in order)
        )


def _cpus(collector: Collector, child: Branch) -> None:
    if len(child) < 2:
        return
    item = child[1]
    if isinstance(item, Atom):
        collector.put("cpus", item.text, item.place)
        return
    lists = []
    for entry in item:
        if isinstance(entry, Atom):
            lists.append(entry.text)
        else:
            lists.append(",".join(number.text for number in entry if isinstance(number, Atom)))
    if any(lists):
        collector.put("cpus", [text or "all" for text in lists], item.place)


def _cpuid(collector: Collector, child: Branch, name: str) -> None:
    if len(child) < 2:
        return
    item = child[1]
    if isinstance(item, Branch) and item and all(isinstance(entry, Atom) for entry in item):
        collector.put(name, _lists(item), item.place)
        return
    if isinstance(item, Atom):
        pairs = re.findall(r"'([0-9a-fA-Fx,]+)': \{([^{}]*)\}", item.text[:100_000])
        leaves = [(leaf, re.findall(r"'(e[abcd]x)': '([^']*)'", registers)) for leaf, registers in pairs]
        if not leaves and item.text.strip("{} "):
            collector.report.warn(f"{name} is not understood; ignored", item.place)
    else:
        leaves = [
            (entry.head, [(register.head, register.value()) for register in entry.children()[0].children()])
            for entry in item.children()
            if entry.children()
        ]
    items = [
        f"{leaf}:{','.join(f'{register}={bits}' for register, bits in found)}"
        for leaf, found in leaves
        if found
    ]
    if items:
        collector.put(name, items, child.place)


def _security(collector: Collector, child: Branch) -> None:
    if child.head == "security_label":
        label = child.value().split(":", 2)[-1]
        if label:
            collector.put("seclabel", label, child.place)
        return
    for entry in child.children():
        for access in [entry, *entry.children()]:
            label_of = access.child("label")
            if label_of is not None and label_of.value():
                collector.put("seclabel", label_of.value(), label_of.place)


def _managed(collector: Collector, child: Branch) -> None:
    """The Xen-API spellings in config.sxp of managed domains."""
    name = child.head
    if name in _MANAGED and child.value():
        collector.put(_MANAGED[name], child.value(), child.place)
    elif name in ("memory_static_max", "memory_dynamic_max") and child.value().isdecimal():
        mebibytes = int(child.value()[:20]) >> 20
        collector.put("maxmem" if name == "memory_static_max" else "memory", mebibytes, child.place)
    elif name == "vcpus_params":
        for entry in child[1] if len(child) > 1 and isinstance(child[1], Branch) else ():
            if isinstance(entry, Branch) and entry.head in ("cap", "weight"):
                collector.put(f"cpu_{entry.head}", entry.value(), entry.place)
    elif name == "PV_args" and child.value():
        collector.put("cmdline", child.value(), child.place)
    elif name == "HVM_boot_policy" and child.value():
        collector.put("builder", "hvm", child.place)
    elif name in ("HVM_boot_params", "platform") and len(child) > 1 and isinstance(child[1], Branch):
        for entry in child[1].children():
            key = {"order": "boot"}.get(entry.head, entry.head)
            if key in TABLE:
                _plain(collector, entry, key)
