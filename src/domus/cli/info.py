"""`xm info`: the host's hardware, Xen and memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.host import HostInfo
    from domus.model.topology import HostTopology

#: the lines that xm printed, in its order; "xend_config_format" ends them
_KEYS: Final = (
    "host release version machine nr_cpus nr_nodes cores_per_socket threads_per_core cpu_mhz hw_caps"
    " virt_caps total_memory free_memory free_cpus xen_major xen_minor xen_extra xen_caps xen_scheduler"
    " xen_pagesize platform_params xen_changeset xen_commandline cc_compiler cc_compile_by"
    " cc_compile_domain cc_compile_date"
)

#: the version of xend's domain format, which never changed and which scripts look for at the end
_CONFIG_FORMAT: Final = 4

#: what Xen tells since then
_NEW_KEYS: Final = (
    "max_cpu_id sharing_freed_memory sharing_used_memory outstanding_claims xen_version build_id xend_version"
)


def run(call: Call) -> int:
    """`xm info [KEY] [-n] [-c] [--json]`."""
    if len(call.words) > 1:
        raise call.wrong("'xm info' shows everything, or the value of one KEY")
    if call.has("config"):
        return _settings(call)
    host = call.client.host()
    if call.has("numa") and not call.words:
        return _with_topology(call, host)
    if call.words:
        print(value_of(host, call.words[0]))
    elif call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(host))
    else:
        sys.stdout.write(text(host))
    return 0


def text(host: HostInfo, topology: HostTopology | None = None) -> str:
    """One line per key; "(none)" stands for an empty value. The topology comes after free_cpus."""
    lines = []
    for key, value in _lines(host).items():
        lines.append(f"{key:<23}: {value or '(none)'}\n")
        if key == "free_cpus" and topology is not None:
            lines.append(topology_text(topology))
    return "".join(lines)


def topology_text(topology: HostTopology) -> str:
    """Where CPUs, devices and memory are, in the tables that `xl info -n` has."""
    lines = [f"{'cpu_topology':<23}:", "cpu:    core    socket     node"]
    lines += [f"{each.cpu:>3}:{each.core:>8} {each.socket:>8} {each.node:>8}" for each in topology.cpus]
    lines += [f"{'device topology':<23}:", "device           node"]
    lines += [f"{each.address}      {each.node}" for each in topology.devices]
    if not topology.devices:
        lines.append("No device topology data available")
    lines += [f"{'numa_info':<23}:", "node:    memsize    memfree    distances"]
    for node in topology.nodes:
        distances = ",".join(map(str, node.distances))
        lines.append(f"{node.node:>4}:    {node.memory_mib:>6}     {node.free_mib:>6}      {distances}")
    return "".join(f"{line}\n" for line in lines)


def _with_topology(call: Call, host: HostInfo) -> int:
    topology = call.client.debugging.topology()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document({"host": host, "topology": topology}))
    else:
        sys.stdout.write(text(host, topology))
    return 0


def _settings(call: Call) -> int:
    settings = call.client.debugging.settings()
    if call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(settings))
    else:
        for name, value in sorted(settings.items()):
            print(f"{name:<38}: {value or '(none)'}")
    return 0


def value_of(host: HostInfo, key: str) -> str:
    """The value of one key.

    Raises:
        BadInput: there is no such key.
    """
    lines = _lines(host)
    if key in lines:
        return lines[key]
    from difflib import get_close_matches

    near = get_close_matches(key, lines, 1)
    raise BadInput(
        f"'xm info' has no key '{key}'",
        hint=f"did you mean {near[0]}?" if near else "'xm info' shows all keys",
    )


def _lines(host: HostInfo) -> dict[str, str]:
    lines = {key: str(getattr(host, key)) for key in _KEYS.split()}
    lines["cpu_mhz"] = str(int(host.cpu_mhz))
    lines["xend_config_format"] = str(_CONFIG_FORMAT)
    return lines | {key: str(getattr(host, key)) for key in _NEW_KEYS.split()}
