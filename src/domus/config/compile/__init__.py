"""Compiles a DomainConfig to the JSON that libxl_domain_config_from_json reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domus.config.compile.devices import disk_json, lists_of_devices, nic_json
from domus.config.compile.schema import problems
from domus.config.parameters import TABLE
from domus.model.config import DomainConfig, GuestType
from domus.model.errors import Internal
from domus.model.firewall import parse_all

__all__ = ["to_libxl"]

Json = dict[str, Any]


def to_libxl(
    config: DomainConfig,
    *,
    hotplug_script: str = "/bin/true",
    host_nodes: Sequence[Sequence[int]] = (),
    on_this_host: bool = True,
) -> Json:
    """The libxl_domain_config document of a configuration.

    Args:
        config: what the domain shall be.
        hotplug_script: what libxl runs for disks and nics without a script of the user's: xend plugs
            devices itself, so by default a program that does nothing. "": libxl's own scripts.
        on_this_host: look up here what only the host knows: the USB device behind a port.
        host_nodes: CPUs of each NUMA node of the host, for CPU lists that depend on it ("node:1").

    Returns:
        A document that libxl takes without dropping or refusing any of it; all five `on_*`,
        `max_vcpus`, `avail_vcpus`, `max_memkb` and `target_memkb` are always in it, since libxl's
        defaults for them are traps.

    Raises:
        BadInput: a CPU list names a node that the host does not have.
        Internal: a mistake of ours: the document does not fit libxl's schema.
    """
    parse_all(config.firewall)  # none of libxl's business; but such a domain could not be started
    document: Json = {
        "c_info": {"type": config.guest_type.value},
        "b_info": {f"type.{config.guest_type.value}": {}},
    }
    _table(config, document)
    _machine(config, document["b_info"], host_nodes)
    _security(config, document)
    _hvm(config, document["b_info"])
    _others(config, document["b_info"])
    if config.disks:
        document["disks"] = [disk_json(disk, hotplug_script) for disk in config.disks]
    if config.nics:
        document["nics"] = [nic_json(nic, index, hotplug_script) for index, nic in enumerate(config.nics)]
    document.update(lists_of_devices(config, on_this_host=on_this_host))
    for where, what in problems(document):
        raise Internal(
            f"{where}: {what}", where="libxl's configuration", hint="this is a mistake in domus.config"
        )
    return document


def _table(config: DomainConfig, document: Json) -> None:
    """Everything that one parameter declares a field and a path for."""
    for parameter in TABLE.values():
        if not parameter.libxl or not parameter.field:
            continue
        value: Any = config
        for name in parameter.field.split("."):
            value = getattr(value, name)
            if value is None:
                break
        if value is not None and value != ():
            put(document, parameter.libxl, parameter.kind.to_json(value))


def put(document: Json, path: str, value: Any) -> None:
    """Store a value at a path such as "b_info/type.hvm/vnc/enable"."""
    *parents, last = path.split("/")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value


def _machine(config: DomainConfig, build: Json, host_nodes: Sequence[Sequence[int]]) -> None:
    from domus.config.compile.cpus import affinity

    # As xl does: Xen sets the memory aside at once, so that a lack of it shows before anything is built.
    build["claim_mode"] = "True"
    most = config.maxvcpus or config.vcpus
    build["max_vcpus"] = most
    build["avail_vcpus"] = list(config.avail_vcpus or range(config.vcpus))
    build["target_memkb"] = config.memory_mib * 1024
    build["max_memkb"] = (config.maxmem_mib or config.memory_mib) * 1024
    hard = affinity(config.cpus, config.cpus_expressions, most, host_nodes)
    soft = affinity(config.cpus_soft, config.cpus_soft_expressions, most, host_nodes)
    if hard:
        build["vcpu_hard_affinity"] = hard
    if soft:
        build["vcpu_soft_affinity"] = soft
    if config.numa_placement is not None:
        build["numa_placement"] = str(config.numa_placement)
    if config.vnuma:
        build["vnuma_nodes"] = [
            {"memkb": node.memory_mib * 1024, "distances": list(node.distances), "pnode": node.pnode,
             "vcpus": list(node.vcpus)}
            for node in config.vnuma
        ]  # fmt: skip


def _security(config: DomainConfig, document: Json) -> None:
    # With a label for the time of building, that one is the domain's first; the other comes after.
    if config.init_security_label is not None:
        document["c_info"]["ssid_label"] = config.init_security_label
        if config.security_label is not None:
            document["b_info"]["exec_ssid_label"] = config.security_label
    elif config.security_label is not None:
        document["c_info"]["ssid_label"] = config.security_label


def _hvm(config: DomainConfig, build: Json) -> None:
    hvm = config.hvm
    if hvm is None or config.guest_type is not GuestType.HVM:
        build_only = {key for key in build if key.startswith("type.")} - {f"type.{config.guest_type.value}"}
        for key in build_only:
            del build[key]
        return
    machine: Json = build["type.hvm"]
    if hvm.viridian is not None:
        machine["viridian"] = str(hvm.viridian)
    if hvm.viridian_enable:
        machine["viridian_enable"] = list(hvm.viridian_enable)
    if hvm.viridian_disable:
        machine["viridian_disable"] = list(hvm.viridian_disable)
    if hvm.gfx_passthru is not None:
        machine["gfx_passthru"] = str(hvm.gfx_passthru)
    if hvm.gfx_passthru_kind is not None:
        machine["gfx_passthru_kind"] = hvm.gfx_passthru_kind
    if hvm.smbios:
        machine["smbios"] = [{"key": key, "value": value} for key, value in hvm.smbios]
    if hvm.ms_vm_genid:
        machine["ms_vm_genid"] = list(hvm.ms_vm_genid)
    if hvm.mca_lmce:
        machine["mca_caps"] = 1
    if hvm.rdm_strategy is not None:
        put(machine, "rdm/strategy", hvm.rdm_strategy)
    if hvm.rdm_policy is not None:
        put(machine, "rdm/policy", hvm.rdm_policy)
    for name, several, values in (
        ("serial", "serial_list", hvm.serial),
        ("usbdevice", "usbdevice_list", hvm.usbdevices),
    ):
        if len(values) == 1:
            machine[name] = values[0]
        elif values:
            machine[several] = list(values)


def _others(config: DomainConfig, build: Json) -> None:
    if config.cmdline:
        build["cmdline"] = config.cmdline  # several parameters make it: none of them is its row
    if config.cpuid or config.msr:
        leaves = [
            {key: value for key in ("leaf", "subleaf", "eax", "ebx", "ecx", "edx")
             if (value := getattr(leaf, key)) is not None}
            for leaf in config.cpuid
        ]  # fmt: skip
        # A bare list is the form that every libxl reads; MSRs need the newer one.
        registers = [{"index": register.index, "policy": register.policy} for register in config.msr]
        build["cpuid"] = {"cpuid": leaves, "msr": registers} if registers else leaves
    if config.ioports:
        build["ioports"] = [{"first": ports.first, "number": ports.number} for ports in config.ioports]
    if config.irqs:
        build["irqs"] = list(config.irqs)
    if config.iomem:
        build["iomem"] = [
            {
                "start": pages.start,
                "number": pages.number,
                **({} if pages.gfn is None else {"gfn": pages.gfn}),
            }
            for pages in config.iomem
        ]
    if config.llc_colors:
        build["llc_colors"] = list(config.llc_colors)
    if config.xenstore_quota:
        build["xenstore_quota"] = {
            "quota": [{"name": name, "val": value} for name, value in config.xenstore_quota]
        }
    if config.arm is not None and config.arm.sci is not None:
        put(build, "arch_arm/arm_sci/type", config.arm.sci)
