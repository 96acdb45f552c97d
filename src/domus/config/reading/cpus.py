"""How many VCPUs, how much memory, and which CPUs of the host."""

from __future__ import annotations

import re
from typing import Any, Final

from domus.config.parameters.kind import shown
from domus.config.parameters.numbers import whole
from domus.config.reading.reading import Reading
from domus.model.config import VnumaNode

_RANGE: Final = re.compile(r"\^?(?:(nodes?):)?(\d{1,4})(?:-(\d{1,4}))?")


def memory(reading: Reading) -> None:
    """Memory, and the default that the language has."""
    reading.default("memory_mib", 128 if reading.is_xm else 32)
    start, most = reading.fields["memory_mib"], reading.fields.get("maxmem_mib")
    if most is not None and start > most:
        reading.error(
            "memory", f"memory ({start} MiB) exceeds maxmem ({most} MiB)", "raise maxmem or lower memory"
        )


def vcpus(reading: Reading) -> None:
    """VCPUs: those online at the start and those there can be."""
    online, most = reading.value("vcpus"), reading.value("maxvcpus")
    if online is None and most is not None and reading.is_xm:
        reading.fields["vcpus"] = most  # xm: maxvcpus alone is that many, all online
    count = reading.fields.get("vcpus", 1)
    if most is not None and count > most:
        reading.error("vcpus", f"vcpus ({count}) exceeds maxvcpus ({most})", "raise maxvcpus")
    mask = reading.value("vcpu_avail")
    if mask and not most:
        _from_mask(reading, mask, count)


def _from_mask(reading: Reading, mask: int, count: int) -> None:
    online = tuple(number for number in range(count) if mask >> number & 1)
    if not online:
        reading.error("vcpu_avail", "no VCPU would be online")
    elif len(online) < count:
        reading.fields["maxvcpus"] = count
        reading.fields["vcpus"] = len(online)
        if online != tuple(range(len(online))):
            reading.fields["avail_vcpus"] = online


def affinity(reading: Reading) -> None:
    """Which CPUs of the host the VCPUs run on."""
    texts = _lists(reading, "cpus")
    first = reading.value("cpu")
    if first is not None:
        # cpu=N was put before cpus; without cpus it is the only one.
        texts = [f"{first},{text}" if text else str(first) for text in texts] if texts else [str(first)]
    _store(reading, "cpus", texts)
    soft = _lists(reading, "cpus_soft")
    _store(reading, "cpus_soft", soft)
    if soft or isinstance(reading.value("cpus"), list | tuple):
        reading.default("numa_placement", False)


def _lists(reading: Reading, name: str) -> list[str]:
    """The CPU lists of a parameter: one for all VCPUs, or one each."""
    value: Any = reading.value(name)
    if value is None or value == "":
        return []
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list | tuple):
        reading.error(name, f"expected a text such as '0-3,^1' or a list of them, not {shown(value)}")
        return []
    texts = []
    for item in value:
        if isinstance(item, list | tuple) and all(isinstance(number, int | str) for number in item):
            item = ",".join(str(number) for number in item)
        if isinstance(item, bool) or not isinstance(item, str | int):
            reading.error(name, f"expected texts in the list, not {shown(item)}")
            return []
        texts.append(str(item))
    most = reading.fields.get("maxvcpus") or reading.fields.get("vcpus", 1)
    if reading.is_xm and len(texts) not in (1, most):
        reading.error(name, f"has {len(texts)} entries for {most} VCPUs")
        return []
    return texts


def _store(reading: Reading, name: str, texts: list[str]) -> None:
    sets: list[tuple[int, ...] | None] = []
    depends_on_host = False
    for text in texts:
        numbers = cpu_list(reading, name, text)
        depends_on_host |= numbers is None
        sets.append(numbers)
    if depends_on_host:
        reading.fields[f"{name}_expressions"] = tuple(texts)
    elif any(numbers for numbers in sets):
        for_all = isinstance(reading.value(name), str | int) or len(texts) == 1
        most = reading.fields.get("maxvcpus") or reading.fields.get("vcpus", 1)
        kept = tuple(numbers or None for numbers in sets)
        reading.fields[name] = kept * most if for_all and len(kept) == 1 else kept[:most]


def cpu_list(reading: Reading, name: str, text: str) -> tuple[int, ...] | None:
    """The CPUs of a list such as `0-3,^1`; () is all; None: it depends on the host (`all,^0`, `node:1`)."""
    numbers: set[int] = set()
    items = [item for item in re.split(r"[,\s]+", text) if item]
    needs_host = any("node" in item or item.lstrip("^") == "all" for item in items)
    for item in items:
        match = _RANGE.fullmatch(item)
        if item == "all":
            continue
        if match is None or (match[3] and int(match[2]) > int(match[3])):
            reading.error(
                name, f"{item[:40]!r} is not a CPU or a range of CPUs", "such as '0-3,^1', 'all' or 'node:0'"
            )
            return ()
        chosen = range(int(match[2]), int(match[3] or match[2]) + 1)
        if item.startswith("^"):
            numbers.difference_update(chosen)
        else:
            numbers.update(chosen)
    if items in ([], ["all"]):
        return ()
    if needs_host:
        return None
    if not numbers:
        reading.error(name, f"{text[:60]!r} leaves no CPU to run on")
    return tuple(sorted(numbers))


def vnuma(reading: Reading) -> None:
    """NUMA nodes that the guest sees: lists of `pnode=0`, `size=MIB`, `vcpus=0-3`, `vdistances=10,20`."""
    value = reading.value("vnuma")
    if not value:
        return
    if not isinstance(value, list) or not all(isinstance(node, list) for node in value):
        reading.error(
            "vnuma", "expected a list of lists", "[['pnode=0','size=512','vcpus=0','vdistances=10']]"
        )
        return
    nodes = [_node(reading, index, parts) for index, parts in enumerate(value)]
    if None in nodes:
        return
    found = [node for node in nodes if node is not None]
    reading.fields["vnuma"] = tuple(found)
    reading.default("numa_placement", False)
    total = sum(node.memory_mib for node in found)
    most = reading.fields.get("maxmem_mib") or reading.fields["memory_mib"]
    if total != most:
        reading.error("vnuma", f"the nodes have {total} MiB, the domain has {most}")
    elif total != reading.fields["memory_mib"]:
        reading.error("vnuma", "does not go with memory below maxmem", "set memory to maxmem")
    count = reading.fields.get("maxvcpus") or reading.fields.get("vcpus", 1)
    if sorted(number for node in found for number in node.vcpus) != list(range(count)):
        reading.error("vnuma", f"each of the {count} VCPUs must be in one of the nodes")
    if reading.guest_type.value == "pv":
        reading.error("vnuma", "PV guests have no virtual NUMA nodes")


def _node(reading: Reading, index: int, parts: list[object]) -> VnumaNode | None:
    label = f"node {index}"
    found: dict[str, str] = {}
    for part in parts:
        key, sign, text = str(part).partition("=")
        if not sign or key.strip() not in ("pnode", "size", "vcpus", "vdistances"):
            reading.error("vnuma", f"{label}: unknown {shown(part)}", "pnode=, size=, vcpus= or vdistances=")
            return None
        found[key.strip()] = text.strip()
    size, pnode = whole(found.get("size")), whole(found.get("pnode", "0"))
    distances = [whole(item) for item in found.get("vdistances", "").split(",") if item.strip()]
    if size is None or size < 1 or pnode is None or pnode < 0 or None in distances:
        reading.error("vnuma", f"{label}: size and vdistances must be numbers")
        return None
    return VnumaNode(
        memory_mib=size,
        pnode=pnode,
        vcpus=cpu_list(reading, "vnuma", found.get("vcpus", "")) or (),
        distances=tuple(distance for distance in distances if distance is not None),
    )
