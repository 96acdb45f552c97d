"""Two oracles, both real: `xl create -n` on the same file, and libxl itself on what we wrote."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from domus.config import load_text
from domus.config.compile import to_libxl
from domus.lab.host import LabHost
from tests.config.oracle_files import FILES

pytestmark = pytest.mark.lab

#: what we always write although it is libxl's default: some defaults are traps, and zero is a value
ALWAYS: dict[str, Any] = {
    "b_info.avail_vcpus": [0],
    "b_info.max_vcpus": 1,
    "b_info.max_memkb": 32768,
    "b_info.target_memkb": 32768,
    "on_crash": "destroy",
    "on_poweroff": "destroy",
    "on_watchdog": "destroy",
    "on_soft_reset": "destroy",
    "usbctrls[].type": "auto",
    "disks[].readwrite": 0,
    "pcidevs[].domain": 0,
    "pcidevs[].dev": 0,
    "pcidevs[].func": 0,
    "b_info.vnuma_nodes[].pnode": 0,
    "b_info.tee": "none",
    "b_info.type.hvm.vendor_device": "none",
}
#: what xl writes and we leave to libxl, which does the same
LEFT_TO_LIBXL: dict[str, Any] = {
    "c_info.run_hotplug_scripts": "True",  # from xl.conf; libxl's default
    "pcidevs[].rdm_policy": "strict",  # counts for HVM guests with reserved memory only
    "b_info.type.hvm.rdm.policy": None,
    "disks[].pdev_path": "",  # an empty drive
}


def flat(document: Any, path: str = "") -> dict[str, Any]:
    """The leaves of a document by their paths; list indices stay, empty objects do not."""
    if isinstance(document, dict):
        return {
            key: value
            for name, item in document.items()
            for key, value in flat(item, f"{path}.{name}" if path else name).items()
        }
    if isinstance(document, list) and any(isinstance(item, dict | list) for item in document):
        return {
            key: value for n, item in enumerate(document) for key, value in flat(item, f"{path}[{n}]").items()
        }
    return {path: document}


def normal(document: dict[str, Any]) -> dict[str, Any]:
    """With the newer of the two forms of a CPUID policy."""
    build = document.get("b_info", {})
    if isinstance(build.get("cpuid"), list):
        document = {**document, "b_info": {**build, "cpuid": {"cpuid": build["cpuid"], "msr": []}}}
    return document


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """What differs beyond the two lists of intended differences."""
    mine, other = flat(normal(ours)), flat(normal(theirs))
    found = []
    for path in sorted(mine.keys() | other.keys()):
        shape = re.sub(r"\[\d+\]", "[]", path)
        if path not in other and shape in ALWAYS and mine[path] == ALWAYS[shape]:
            continue
        if path not in mine and shape in LEFT_TO_LIBXL and other[path] == LEFT_TO_LIBXL[shape]:
            continue
        if mine.get(path) != other.get(path):
            found.append(f"{path}: ours {mine.get(path)!r}, theirs {other.get(path)!r}")
    return found


def compiled(text: str) -> dict[str, Any]:
    """What we make of a file that xl plugs itself."""
    return to_libxl(load_text(text, format="xl").config, hotplug_script="", on_this_host=False)


@pytest.fixture(scope="module")
def of_xl(lab_host: LabHost) -> dict[str, dict[str, Any]]:
    """What `xl create -n` prints for each file."""
    script = ["mkdir -p /tmp/oracle && cd /tmp/oracle"]
    for number, text in enumerate(FILES.values()):
        script.append(
            f"cat > {number}.cfg <<'END'\n{text}END\necho '@@@'; xl create -n {number}.cfg 2>&1 >out; cat out"
        )
    output = lab_host.run(["sh"], stdin="\n".join(script).encode()).stdout
    parts = output.split("@@@")[1:]
    return {name: json.loads(part[part.index("{") :]) for name, part in zip(FILES, parts, strict=True)}


@pytest.mark.parametrize("name", FILES)
def test_our_json_is_what_xl_makes_of_the_same_file(of_xl: dict[str, dict[str, Any]], name: str) -> None:
    assert differences(compiled(FILES[name]), of_xl[name]) == []


UNDERSTOOD = """
import json, sys
from domus.xen.libxl import Libxl
libxl = Libxl.open()
print(json.dumps({name: libxl.check_config(text) for name, text in json.load(sys.stdin).items()}))
"""


@pytest.fixture(scope="module")
def of_libxl(lab_host: LabHost) -> dict[str, dict[str, Any]]:
    """What libxl understood of our documents."""
    documents = json.dumps({name: compiled(text) for name, text in FILES.items()})
    output = lab_host.run(["python3", "-c", UNDERSTOOD], stdin=documents.encode()).stdout
    understood: dict[str, dict[str, Any]] = json.loads(output)
    return understood


@pytest.mark.parametrize("name", FILES)
def test_libxl_drops_nothing_of_what_we_write(of_libxl: dict[str, dict[str, Any]], name: str) -> None:
    assert differences(compiled(FILES[name]), of_libxl[name]) == []
