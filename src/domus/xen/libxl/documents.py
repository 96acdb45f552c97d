"""libxl's JSON documents: what would kill us in them, and what differs between its JSON libraries."""

from __future__ import annotations

import sys
from typing import Any, Final

from domus.model.errors import Internal

_TYPES: Final = ("pv", "pvh", "hvm")

# uint32 members that hold large values. A libxl built with json-c (possible from 4.21 on) prints numbers
# of 2**31 and above as negative ones, which it then refuses to read.
_UNSIGNED: Final = frozenset(
    {"rtc_timeoffset", "vfunc_mask", "ssidref", "exec_ssidref", "core", "socket", "node"}
)

# libxl leaves out what has its initial value, such as the domid 0 (_libxl_types.h; measured, 4.20).
DOMINFO: Final[dict[str, Any]] = {
    "uuid": "00000000-0000-0000-0000-000000000000",
    "domid": 0,
    "ssidref": 0,
    "ssid_label": None,
    "running": False,
    "blocked": False,
    "paused": False,
    "shutdown": False,
    "dying": False,
    "never_stop": False,
    "shutdown_reason": "unknown",
    "outstanding_memkb": 0,
    "current_memkb": 0,
    "shared_memkb": 0,
    "paged_memkb": 0,
    "max_memkb": 0,
    "cpu_time": 0,
    "vcpu_max_id": 0,
    "vcpu_online": 0,
    "cpupool": 0,
    "gpaddr_bits": 0,
    "domain_type": "invalid",
}

PHYSINFO: Final[dict[str, Any]] = {
    "threads_per_core": 0,
    "cores_per_socket": 0,
    "max_cpu_id": 0,
    "nr_cpus": 0,
    "cpu_khz": 0,
    "total_pages": 0,
    "free_pages": 0,
    "scrub_pages": 0,
    "outstanding_pages": 0,
    "sharing_freed_pages": 0,
    "sharing_used_frames": 0,
    "max_possible_mfn": 0,
    "nr_nodes": 0,
    "hw_cap": [],
}

_HWCAP_WORDS: Final = 8

INITIAL: Final[dict[str, dict[str, Any]]] = {"libxl_dominfo": DOMINFO, "libxl_physinfo": PHYSINFO}


def check_lethal(document: dict[str, Any]) -> None:
    """Refuse the documents for which libxl would abort this process by an assertion (measured, 4.20).

    Raises:
        Internal: `c_info.type` is missing or unknown, or `b_info` has not exactly the `type.X` of it.
            Only our own compiler writes these documents.
    """
    kind = _section(document, "c_info").get("type")
    if kind not in _TYPES:
        raise Internal(f"a libxl configuration has the type {kind!r}")
    unions = [key for key in _section(document, "b_info") if key.startswith("type.")]
    if unions != [f"type.{kind}"]:
        raise Internal(f"a libxl configuration of type {kind} has {unions or 'no type.* at all'} in b_info")


def mended(value: Any) -> Any:
    """A document that libxl printed, with unsigned members that came out negative put right."""
    if isinstance(value, dict):
        return {key: _unsigned(key, member) for key, member in value.items()}
    if isinstance(value, list):
        return [mended(member) for member in value]
    return value


def whole_hw_cap(printed: list[int], struct: bytes) -> list[int]:
    """All eight words of `libxl_hwcap`, of which libxl's JSON has the first four only.

    Args:
        printed: the words that the JSON has.
        struct: the bytes of the libxl_physinfo that it was made from; where the words stand in it is
            found by the printed ones (libxl.h: typedef uint32_t libxl_hwcap[8]).
    """
    words = b"".join(word.to_bytes(4, sys.byteorder) for word in printed)
    at = struct.find(words) if any(printed) else -1
    if at < 0 or len(printed) >= _HWCAP_WORDS:
        return printed
    whole = struct[at : at + 4 * _HWCAP_WORDS]
    return [int.from_bytes(whole[place : place + 4], sys.byteorder) for place in range(0, len(whole), 4)]


def _unsigned(key: str, member: Any) -> Any:
    if key in _UNSIGNED and isinstance(member, int) and member < 0:
        return member + (1 << 32)
    return mended(member)


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name)
    if not isinstance(section, dict):
        raise Internal(f"a libxl configuration has no {name}")
    return section
