"""`xm info`: the host's hardware, Xen and memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from domus.model.errors import BadInput

if TYPE_CHECKING:
    from domus.cli.options import Call
    from domus.model.host import HostInfo

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
    """`xm info [KEY] [--json]`."""
    if len(call.words) > 1:
        raise call.wrong("'xm info' shows everything, or the value of one KEY")
    host = call.client.host()
    if call.words:
        print(value_of(host, call.words[0]))
    elif call.has("json"):
        from domus.cli.as_json import document

        sys.stdout.write(document(host))
    else:
        sys.stdout.write(text(host))
    return 0


def text(host: HostInfo) -> str:
    """One line per key; "(none)" stands for an empty value."""
    return "".join(f"{key:<23}: {value or '(none)'}\n" for key, value in _lines(host).items())


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
