"""The shape of libxl_domain_config as JSON, typed: libxl ignores what it does not know without a word.

Source: libxl_types.idl of Xen 4.20, and what its generated parser does with each type (measured; a key
that is unknown or of another type is dropped, two `type.*` keys abort the calling process).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

Json = Any
Check = Callable[[Json], str]

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MAC: Final = re.compile(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}")


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _between(least: int, most: int) -> Check:
    def check(value: Json) -> str:
        if not _is_whole(value):
            return "expected a whole number"
        return "" if least <= value <= most else f"{value} is not from {least} to {most}"

    return check


def _string(value: Json) -> str:
    return "" if value is None or isinstance(value, str) else "expected a string"


def _defbool(value: Json) -> str:
    return "" if value in ("True", "False", "<default>") else 'expected the string "True" or "False"'


def _bool(value: Json) -> str:
    return "" if isinstance(value, bool) else "expected true or false"


def _pattern(pattern: re.Pattern[str], expected: str) -> Check:
    return lambda value: "" if isinstance(value, str) and pattern.fullmatch(value) else f"expected {expected}"


def _enum(words: str) -> Check:
    known = frozenset(words.split())
    return lambda value: (
        ""
        if isinstance(value, str) and value.lower() in known
        else f"expected one of {', '.join(sorted(known))}"
    )


def _list(check: Check, expected: str) -> Check:
    def check_all(value: Json) -> str:
        if not isinstance(value, list):
            return f"expected {expected}"
        return next((problem for item in value if (problem := check(item))), "")

    return check_all


def _bitmap(value: Json) -> str:
    if not isinstance(value, list) or not all(_is_whole(item) and 0 <= item < 1 << 20 for item in value):
        return "expected a list of numbers"
    # libxl sizes a bitmap by its last element and drops what does not fit.
    return "" if all(a < b for a, b in pairwise(value)) else "the numbers must ascend"


def _pairs(value: Json) -> str:
    fits = isinstance(value, dict) and all(item is None or isinstance(item, str) for item in value.values())
    return "" if fits else "expected an object of strings"


def _cpuid(value: Json) -> str:
    leaves = value.get("cpuid") if isinstance(value, dict) else value
    if not isinstance(leaves, list) or (isinstance(value, dict) and not isinstance(value.get("msr"), list)):
        return "expected a list of leaves, or an object with cpuid and msr"
    for leaf in leaves:
        if not isinstance(leaf, dict) or not _is_whole(leaf.get("leaf")):
            return "every leaf needs its number"
        for register in ("eax", "ebx", "ecx", "edx"):
            bits = leaf.get(register, "x" * 32)
            if not isinstance(bits, str) or not re.fullmatch(r"[10xks]{32}", bits):
                return f"{register} needs 32 of 1 0 x k s"  # libxl copies 32 bytes, whatever there is
    return ""


INT: Final = _between(-(1 << 31), (1 << 31) - 1)
UINT8: Final = _between(0, 255)
UINT32: Final = _between(0, (1 << 32) - 1)
UINT64: Final = _between(0, (1 << 63) - 1)
STRINGS: Final = _list(lambda item: "" if isinstance(item, str) else "expected strings", "a list of strings")
UINT32S: Final = _list(UINT32, "a list of numbers")
BITMAPS: Final = _list(_bitmap, "a list of lists of numbers")
ACTION: Final = _enum("destroy restart restart_rename preserve coredump_destroy coredump_restart soft_reset")
Shape = dict[str, Any]  # key -> Check, Shape, or [Shape] for a list of objects


def _fields(**groups: str) -> Shape:
    """Fields by type: `_fields(string="name pool_name")`."""
    checks: dict[str, Check] = {
        "string": _string, "defbool": _defbool, "bool": _bool, "int": INT, "uint8": UINT8, "uint32": UINT32,
        "uint64": UINT64, "strings": STRINGS, "bitmap": _bitmap, "bitmaps": BITMAPS, "uint32s": UINT32S,
    }  # fmt: skip
    return {name: checks[kind] for kind, names in groups.items() for name in names.split()}


_BACKEND: Final = _fields(uint32="backend_domid", string="backend_domname", int="devid")
_SOUND: Final[Shape] = {
    **_fields(uint32s="sample_rates", uint32="channels_min channels_max buffer_size"),
    "sample_formats": STRINGS,
}


def _genid(value: Json) -> str:
    fits = isinstance(value, list) and len(value) == 16 and not any(map(UINT8, value))
    return "" if fits else "expected 16 bytes"


C_INFO: Final[Shape] = {
    "type": _enum("pv pvh hvm"),
    **_fields(defbool="hap oos run_hotplug_scripts driver_domain xend_suspend_evtchn_compat",
              uint32="ssidref domid poolid", string="ssid_label name pool_name"),
    "uuid": _pattern(_UUID, "a uuid"),
    "xsdata": _pairs,
    "platformdata": _pairs,
    "passthrough": _enum("default disabled enabled sync_pt share_pt"),
}  # fmt: skip

_PV: Final = _fields(uint64="slack_memkb", defbool="e820_host", string="kernel ramdisk cmdline bootloader",
                     strings="bootloader_args")  # fmt: skip
_PVH: Final = _fields(defbool="pvshim", string="pvshim_path pvshim_cmdline pvshim_extra")
VNC: Final = _fields(defbool="enable findunused", string="listen passwd", int="display")
SDL: Final = _fields(defbool="enable opengl", string="display xauthority")
_HVM: Final[Shape] = {
    **_fields(
        string="firmware system_firmware smbios_firmware acpi_firmware keymap serial boot usbdevice soundhw "
        "timeoffset",
        strings="usbdevice_list serial_list",
        defbool="pae apic acpi acpi_s3 acpi_s4 acpi_laptop_slate nx viridian hpet vpt_align altp2m nographic "
        "gfx_passthru usb vkb_device xen_platform_pci pirq xen_platform_pci_bar_uc nested_hvm",
        bitmap="viridian_enable viridian_disable",
        uint64="mmio_hole_memkb rdm_mem_boundary_memkb mca_caps",
        int="usbversion",
    ),
    "bios": _enum("rombios seabios ovmf"),
    "hdtype": _enum("ide ahci"),
    "gfx_passthru_kind": _enum("default igd"),
    "vendor_device": _enum("none xenserver"),
    "timer_mode": _enum("unknown delay_for_missed_ticks no_delay_for_missed_ticks no_missed_ticks_pending "
                        "one_missed_tick_pending"),
    "ms_vm_genid": _genid,
    "smbios": [_fields(string="key value")],
    "vga": {"kind": _enum("unknown cirrus std none qxl")},
    "vnc": VNC,
    "sdl": SDL,
    "spice": _fields(defbool="enable disable_ticketing agent_mouse vdagent clipboard_sharing",
                     int="port tls_port usbredirection",
                     string="host passwd image_compression streaming_video"),
    "rdm": {"strategy": _enum("ignore host"), "policy": _enum("invalid strict relaxed")},
}  # fmt: skip

B_INFO: Final[Shape] = {
    **_fields(
        int="max_vcpus max_grant_version vmtrace_buf_kb",
        bitmap="avail_vcpus cpumap nodemap",
        bitmaps="vcpu_hard_affinity vcpu_soft_affinity",
        defbool="numa_placement localtime disable_migrate device_model_stubdomain claim_mode "
        "acpi bootloader_restrict nested_hvm apic dm_restrict vpmu trap_unmapped_accesses",
        uint64="max_memkb target_memkb video_memkb shadow_memkb iommu_memkb stubdomain_memkb",
        uint32="rtc_timeoffset exec_ssidref max_grant_frames max_maptrack_frames device_model_ssidref "
        "event_channels altp2m_count xenstore_feature_mask",
        string="exec_ssid_label blkdev_start stubdomain_kernel stubdomain_cmdline stubdomain_ramdisk "
        "device_model device_model_ssid_label device_model_user kernel cmdline ramdisk device_tree "
        "bootloader bootloader_user",
        strings="extra extra_pv extra_hvm bootloader_args",
        uint32s="irqs llc_colors",
    ),
    "tsc_mode": _enum("default always_emulate native native_paravirt"),
    "timer_mode": _HVM["timer_mode"],
    "device_model_version": _enum("unknown qemu_xen_traditional qemu_xen"),
    "tee": _enum("none optee ffa"),
    "altp2m": _enum("disabled mixed external limited"),
    "cpuid": _cpuid,
    "vnuma_nodes": [_fields(uint64="memkb", uint32s="distances", uint32="pnode", bitmap="vcpus")],
    "sched_params": {"sched": _enum("unknown sedf credit credit2 arinc653 rtds null"),
                     **_fields(int="weight cap period budget extratime slice latency")},
    "ioports": [_fields(uint32="first number")],
    "iomem": [_fields(uint64="start number gfn")],
    "arch_arm": {"gic_version": _enum("default v2 v3"), "vuart": _enum("unknown sbsa_uart"),
                 "sve_vl": _string, "arm_sci": {"type": _enum("none scmi_smc")}, **_fields(uint32="nr_spis")},
    "arch_x86": _fields(defbool="msr_relaxed"),
    "xenstore_quota": {"quota": [_fields(string="name", uint32="val")]},
    "type.pv": _PV,
    "type.pvh": _PVH,
    "type.hvm": _HVM,
}  # fmt: skip

DISK: Final[Shape] = {
    **_BACKEND,
    **_fields(string="pdev_path vdev script colo_host colo_export active_disk hidden_disk",
              int="removable readwrite is_cdrom colo_port", bool="direct_io_safe", uint32="irq",
              uint64="base",
              defbool="discard_enable trusted grant_usage colo_enable colo_restore_enable"),
    "format": _enum("unknown qcow qcow2 vhd raw empty qed"),
    "backend": _enum("unknown phy tap qdisk standalone"),
    "specification": _enum("unknown xen virtio"),
    "transport": _enum("unknown mmio"),
}  # fmt: skip
NIC: Final[Shape] = {
    **_BACKEND,
    **_fields(string="bridge ip ifname script model gatewaydev vlan coloft_forwarddev", int="mtu",
              uint64="rate_bytes_per_interval", uint32="rate_interval_usecs", defbool="trusted"),
    "mac": _pattern(_MAC, "a MAC address"),
    "nictype": _enum("unknown vif_ioemu vif"),
}  # fmt: skip
_PCI: Final[Shape] = {
    **_fields(int="domain", uint8="bus dev func", uint32="vdevfn vfunc_mask", string="name",
              bool="msitranslate power_mgmt permissive seize"),
    "rdm_policy": _enum("invalid strict relaxed"),
}  # fmt: skip

DOMAIN_CONFIG: Final[Shape] = {
    "c_info": C_INFO,
    "b_info": B_INFO,
    "disks": [DISK],
    "nics": [NIC],
    "pcidevs": [_PCI],
    "rdms": [_fields(uint64="start size") | {"policy": _enum("invalid strict relaxed")}],
    "dtdevs": [_fields(string="path")],
    "vfbs": [_BACKEND | {"vnc": VNC, "sdl": SDL, "keymap": _string}],
    "vkbs": [_BACKEND | _fields(
        string="unique_id", bool="feature_disable_keyboard feature_disable_pointer feature_abs_pointer "
        "feature_raw_pointer feature_multi_touch",
        uint32="width height multi_touch_width multi_touch_height multi_touch_num_contacts",
    ) | {"backend_type": _enum("unknown qemu linux")}],
    "virtios": [_BACKEND | {"type": _string, "transport": _enum("unknown mmio"), "grant_usage": _defbool,
                            "irq": UINT32, "base": UINT64}],
    "vtpms": [_BACKEND | {"uuid": C_INFO["uuid"]}],
    "p9s": [_BACKEND | _fields(string="tag path security_model", int="max_files max_open_files max_space",
                               bool="auto_delete") | {"type": _enum("unknown qemu xen_9pfsd")}],
    "pvcallsifs": [_BACKEND],
    "vdispls": [_BACKEND | {"be_alloc": _bool,
                            "connectors": [_fields(string="unique_id", uint32="width height")]}],
    "vsnds": [_BACKEND | _fields(string="short_name long_name") | {
        "params": _SOUND,
        "pcms": [{"name": _string, "params": _SOUND, "streams": [
            {"unique_id": _string, "type": _enum("p c"), "params": _SOUND}]}],
    }],
    "channels": [_BACKEND | {"name": _string, "connection.pty": {}, "connection.unknown": {},
                             "connection.socket": {"path": _string}}],
    "usbctrls": [_BACKEND | _fields(int="version ports") | {"type": _enum("auto pv devicemodel qusb")}],
    "usbdevs": [_fields(int="ctrl port") | {"type.hostdev": _fields(uint8="hostbus hostaddr")}],
    "on_poweroff": ACTION,
    "on_reboot": ACTION,
    "on_watchdog": ACTION,
    "on_crash": ACTION,
    "on_soft_reset": ACTION,
}  # fmt: skip


def problems(document: Json, shape: Shape = DOMAIN_CONFIG, path: str = "") -> Iterator[tuple[str, str]]:
    """What libxl would drop, refuse or die of: (path of the field, what is wrong with it)."""
    if not isinstance(document, dict):
        yield path or "the document", "expected an object"
        return
    for key, value in document.items():
        here = f"{path}.{key}" if path else str(key)
        wanted = shape.get(key)
        if wanted is None:
            yield here, "unknown field"
        elif isinstance(wanted, dict):
            yield from problems(value, wanted, here)
        elif isinstance(wanted, list):
            yield from _problems_of_list(value, wanted[0], here)
        elif problem := wanted(value):
            yield here, problem
    if not path:
        yield from _problems_of_types(document)


def _problems_of_list(value: Json, shape: Shape, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list):
        yield path, "expected a list"
        return
    for index, item in enumerate(value):
        yield from problems(item, shape, f"{path}[{index}]")


def _problems_of_types(document: dict[str, Json]) -> Iterator[tuple[str, str]]:
    """The guest's type is said twice, and libxl aborts the process if either is missing."""
    create, build = document.get("c_info"), document.get("b_info")
    kind = create.get("type") if isinstance(create, dict) else None
    if kind is None:
        yield "c_info.type", "missing"
    types = [key for key in build if key.startswith("type.")] if isinstance(build, dict) else []
    if len(types) != 1:
        yield "b_info", "needs exactly one of type.pv, type.pvh and type.hvm"
    elif kind is not None and types[0] != f"type.{str(kind).lower()}":
        yield f"b_info.{types[0]}", f"contradicts c_info.type {kind}"
