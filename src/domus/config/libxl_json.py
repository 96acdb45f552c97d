"""libxl's JSON, as `xl create -n` and `xl list -l` print it, back into a DomainConfig."""

from __future__ import annotations

from typing import Any, Final

from domus.config.compile.schema import C_INFO, problems
from domus.config.libxl_devices import read_devices
from domus.config.parameters import TABLE
from domus.config.parameters.kind import Invalid, Removed
from domus.config.problems import Place, Report
from domus.config.reading.fields import assemble
from domus.model.config import Action, DomainConfig, GuestType, VnumaNode
from domus.model.errors import BadInput
from domus.model.names import check_domain_name, check_uuid

Json = Any

_ACTIONS: Final = ("on_poweroff", "on_reboot", "on_watchdog", "on_crash", "on_soft_reset")
#: places that the model keeps otherwise, or that Xen fills in for a running domain
_READ_HERE: Final = frozenset(
    [
        "type",
        "domid",
        "run_hotplug_scripts",
        "max_vcpus",
        "avail_vcpus",
        "max_memkb",
        "target_memkb",
        "vcpu_hard_affinity",
        "vcpu_soft_affinity",
        "numa_placement",
        "vnuma_nodes",
        "sched_params",
        "cpuid",
        "claim_mode",
        "iommu_memkb",
    ]
)


def read_json(report: Report) -> DomainConfig:
    """The configuration in the report's source.

    Raises:
        InvalidConfig: it is no JSON, or no libxl_domain_config.
    """
    document = _parsed(report)
    if isinstance(document, list):
        found = [entry["config"] for entry in document if isinstance(entry, dict) and "config" in entry]
    else:
        found = [document.get("config", document)] if isinstance(document, dict) else []
    if not found or not isinstance(found[0], dict) or "c_info" not in found[0]:
        raise report.fail("this defines no domain", hint="expected libxl's JSON, as xl create -n prints it")
    if len(found) > 1:
        report.warn(f"{len(found)} domains are in this file; the first is read")
    config = _cleaned(found[0])
    for where, what in problems(config):
        if what == "unknown field":
            report.warn(f"{where}: unknown field; ignored")
        else:
            report.error(f"{where}: {what}")
    report.check()
    fields: dict[str, Any] = {}
    _simple(report, config, fields)
    _composed(report, config, fields)
    read_devices(report, config, fields)
    report.check()
    return assemble(fields)


def _parsed(report: Report) -> Json:
    import json

    try:
        return json.loads(report.source.text)
    except json.JSONDecodeError as error:
        raise report.fail(f"this is not JSON: {error.msg}", Place(error.lineno, error.colno)) from None
    except (RecursionError, ValueError):
        raise report.fail("this is not JSON: nested too deeply, or with numbers too large") from None


_UINT32: Final = frozenset(
    {
        "rtc_timeoffset",
        "vfunc_mask",
        "exec_ssidref",
        "max_grant_frames",
        "max_maptrack_frames",
        "ssidref",
        "poolid",
    }
)


def _cleaned(value: Json, key: str = "", depth: int = 0) -> Json:
    """Without nulls, and with unsigned numbers that a json-c libxl printed as negative ones put right."""
    if isinstance(value, dict) and depth < 12:
        return {name: _cleaned(item, name, depth + 1) for name, item in value.items() if item is not None}
    if isinstance(value, list) and depth < 12:
        return [_cleaned(item, key, depth + 1) for item in value]
    if key in _UINT32 and isinstance(value, int) and -(1 << 31) <= value < 0:
        return value + (1 << 32)
    return value


def _at(document: Json, path: str) -> Json:
    for part in path.split("/"):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _simple(report: Report, config: Json, fields: dict[str, Any]) -> None:
    """Everything that one parameter has a path for."""
    for parameter in TABLE.values():
        if not parameter.libxl or not parameter.field:
            continue
        value = _at(config, parameter.libxl)
        if value is None and parameter.libxl.startswith("b_info/type.hvm/"):
            continue
        if value is None:
            continue
        try:
            read = parameter.kind.from_json(value)
        except Removed as removed:
            report.warn(f"{parameter.libxl.replace('/', '.')}: {removed.what}", hint=removed.hint)
            continue
        except Invalid as problem:
            report.error(f"{parameter.libxl.replace('/', '.')}: {problem.what}", hint=problem.hint)
            continue
        if read is not None:
            fields[parameter.field] = read


def _composed(report: Report, config: Json, fields: dict[str, Any]) -> None:
    create, build = config["c_info"], config.get("b_info", {})
    fields["guest_type"] = GuestType(create["type"].lower())
    for name in _ACTIONS:
        fields[name] = Action(fields.get(name, "destroy"))
    try:
        fields["name"] = check_domain_name(fields.get("name", ""))
        if fields.get("uuid"):
            fields["uuid"] = check_uuid(fields["uuid"])
    except BadInput as problem:
        report.error(problem.what, hint=problem.hint)
    fields["cmdline"] = build.get("cmdline") or ""
    most = build.get("max_vcpus", 1)
    online = build.get("avail_vcpus", [0])
    fields["vcpus"] = len(online) or 1
    if most != fields["vcpus"]:
        fields["maxvcpus"] = most
    if online != list(range(len(online))):
        fields["avail_vcpus"] = tuple(online)
    target, maximum = build.get("target_memkb"), build.get("max_memkb")
    fields["memory_mib"] = max(1, (target if target is not None else maximum or 32768) // 1024)
    if maximum is not None and maximum // 1024 != fields["memory_mib"]:
        fields["maxmem_mib"] = maximum // 1024
    for key, field in (("vcpu_hard_affinity", "cpus"), ("vcpu_soft_affinity", "cpus_soft")):
        if build.get(key):
            fields[field] = tuple(tuple(numbers) or None for numbers in build[key])
    if build.get("numa_placement") in ("True", "False"):
        fields["numa_placement"] = build["numa_placement"] == "True"
    fields["vnuma"] = tuple(
        VnumaNode(
            memory_mib=node.get("memkb", 0) // 1024,
            vcpus=tuple(node.get("vcpus", ())),
            pnode=node.get("pnode", 0),
            distances=tuple(node.get("distances", ())),
        )
        for node in build.get("vnuma_nodes", ())
    )
    _labels(create, build, fields)
    _hvm(build.get("type.hvm"), fields)
    for key in create.keys() & C_INFO.keys() - _READ_HERE - _known("c_info/") - {"ssid_label"}:
        report.warn(f"c_info.{key}: not kept")


def _known(prefix: str) -> set[str]:
    return {p.libxl.removeprefix(prefix) for p in TABLE.values() if p.libxl.startswith(prefix)}


def _labels(create: Json, build: Json, fields: dict[str, Any]) -> None:
    first, after = create.get("ssid_label"), build.get("exec_ssid_label")
    if after is not None:
        fields["init_security_label"], fields["security_label"] = first, after
    elif first is not None:
        fields["security_label"] = first


def _hvm(machine: Json, fields: dict[str, Any]) -> None:
    if machine is None:
        return
    fields.setdefault("hvm.bios", None)
    for key in ("viridian", "gfx_passthru"):
        if machine.get(key) in ("True", "False"):
            fields[f"hvm.{key}"] = machine[key] == "True"
    for key in ("viridian_enable", "viridian_disable", "ms_vm_genid"):
        if machine.get(key):
            fields[f"hvm.{key}"] = tuple(machine[key])
    if machine.get("gfx_passthru_kind"):
        fields["hvm.gfx_passthru_kind"] = machine["gfx_passthru_kind"]
    fields["hvm.smbios"] = tuple(
        (entry["key"], entry["value"])
        for entry in machine.get("smbios", ())
        if {"key", "value"} <= entry.keys()
    )
    if machine.get("mca_caps", 0) & 1:
        fields["hvm.mca_lmce"] = True
    for key in ("strategy", "policy"):
        if machine.get("rdm", {}).get(key) not in (None, "invalid"):
            fields[f"hvm.rdm_{key}"] = machine["rdm"][key]
    for single, several, field in (
        ("serial", "serial_list", "serial"),
        ("usbdevice", "usbdevice_list", "usbdevices"),
    ):
        texts = machine.get(several) or ([machine[single]] if machine.get(single) else [])
        fields[f"hvm.{field}"] = tuple(texts)
