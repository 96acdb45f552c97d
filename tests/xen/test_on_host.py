"""The XenStore client and the libxl binding on a real Xen host: each claim is checked inside domain 0.

The claims themselves are the check_* functions of on_host/; here they are sent there, run in one process
per module, and reported one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.lab

ON_HOST = Path(__file__).parent / "on_host"
IN_DOM0 = "/root/xen-checks"


def claims(module: str) -> list[str]:
    return sorted(re.findall(r"def (check_\w+)", (ON_HOST / f"{module}.py").read_text()))


def checked(lab_host: Any, module: str, *arguments: str) -> dict[str, str | None]:
    """What went wrong with each check of a module, by its name."""
    lab_host.run(["mkdir", "-p", IN_DOM0])
    for name in ("run", module):
        lab_host.put((ON_HOST / f"{name}.py").read_bytes(), f"{IN_DOM0}/{name}.py")
    command = ["python3", f"{IN_DOM0}/run.py", module, *arguments]
    finished = lab_host.run(command, check=False, within=280)
    results = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
    missing = f"not run; the checks ended with status {finished.status}:\n{finished.stderr}"
    return dict.fromkeys(claims(module), missing) | {result["name"]: result["error"] for result in results}


@pytest.fixture(scope="module")
def over_socket(lab_host: Any) -> dict[str, str | None]:
    return checked(lab_host, "xenstore_checks", "/run/xenstored/socket")


@pytest.fixture(scope="module")
def over_device(lab_host: Any) -> dict[str, str | None]:
    return checked(lab_host, "xenstore_checks", "/dev/xen/xenbus")


@pytest.fixture(scope="module")
def on_libxl(lab_host: Any, small_guest: tuple[Path, Path]) -> dict[str, str | None]:
    kernel, ramdisk = small_guest
    lab_host.put(kernel.read_bytes(), "/root/check-vmlinuz")
    lab_host.put(ramdisk.read_bytes(), "/root/check-initrd")
    return checked(lab_host, "libxl_checks", "/root/check-vmlinuz", "/root/check-initrd")


@pytest.fixture(scope="module")
def on_cpupools(new_host: Callable[[], Any]) -> dict[str, str | None]:
    return checked(new_host(), "cpupool_checks")


@pytest.fixture(scope="module")
def at_restart(new_host: Callable[[], Any]) -> dict[str, str | None]:
    return checked(new_host(), "restart_checks")


@pytest.mark.parametrize("claim", claims("xenstore_checks"))
def test_xenstore_over_its_socket(over_socket: dict[str, str | None], claim: str) -> None:
    assert not over_socket[claim], over_socket[claim]


@pytest.mark.parametrize("claim", claims("xenstore_checks"))
def test_xenstore_over_the_kernels_device(over_device: dict[str, str | None], claim: str) -> None:
    assert not over_device[claim], over_device[claim]


@pytest.mark.parametrize("claim", claims("libxl_checks"))
def test_libxl(on_libxl: dict[str, str | None], claim: str) -> None:
    assert not on_libxl[claim], on_libxl[claim]


@pytest.mark.parametrize("claim", claims("restart_checks"))
def test_a_restart_of_xenstored(at_restart: dict[str, str | None], claim: str) -> None:
    assert not at_restart[claim], at_restart[claim]


@pytest.mark.soak
@pytest.mark.parametrize("claim", claims("cpupool_checks"))
def test_cpupools(on_cpupools: dict[str, str | None], claim: str) -> None:
    assert on_cpupools[claim] is None, on_cpupools[claim]
