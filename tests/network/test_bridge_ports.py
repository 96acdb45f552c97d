"""Ports come and go in a real bridge: this kernel's, in a network namespace that is thrown away after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from domus.programs import run

SETUP = """
mount -t sysfs none /sys
ip link add br1 type bridge
ip link add br0 type bridge
ip link set br0 up
ip link add v0 type veth peer name v1
exec "$0" -c "$1"
"""

CHILD = """
import asyncio, json
from pathlib import Path
from domus.network import bridges

async def main():
    seen = {"names": bridges.names(), "default": bridges.default()}
    seen["exists"] = [bridges.exists(name) for name in ("br0", "br1", "v0", "nobr")]
    await bridges.add_port("br0", "v0", mtu=1400)
    await bridges.add_port("br0", "v0", mtu=1400)
    seen["plugged"] = sorted(bridges.ports("br0"))
    seen["mtu"] = bridges.mtu("v0")
    seen["flags"] = int(Path("/sys/class/net/v0/flags").read_text(), 16)
    seen["silent"] = Path("/proc/sys/net/ipv6/conf/v0/disable_ipv6").read_text().strip()
    await bridges.remove_port("v0")
    await bridges.remove_port("gone0")
    seen["unplugged"] = sorted(bridges.ports("br0"))
    await bridges.rename("v0", "web0")
    seen["renamed"] = bridges.has_device("web0") and not bridges.has_device("v0")
    print(json.dumps(seen))

asyncio.run(main())
"""

IFF_UP, IFF_NOARP = 0x1, 0x80  # linux/if.h


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What the child saw in its namespace."""
    if os.geteuid() != 0 or run(["unshare", "-n", "-m", "true"], check=False).status:
        pytest.skip("needs root and network namespaces")
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-e", "-c", SETUP, sys.executable, CHILD],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 2 and "Operation not supported" in done.stderr:
        pytest.skip("this kernel has no bridges")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_first_bridge_made_is_the_default(seen: dict[str, Any]) -> None:
    assert seen["names"] == ["br1", "br0"]
    assert seen["default"] == "br1"
    assert seen["exists"] == [True, True, False, False]


def test_a_device_is_plugged_once_however_often_it_is_asked_for(seen: dict[str, Any]) -> None:
    assert seen["plugged"] == ["v0"]
    assert seen["mtu"] == 1400


def test_a_plugged_device_is_up_and_dom0_does_not_speak_on_it(seen: dict[str, Any]) -> None:
    assert seen["flags"] & IFF_UP
    assert seen["flags"] & IFF_NOARP
    assert seen["silent"] == "1"


def test_a_device_leaves_its_bridge_and_can_be_renamed(seen: dict[str, Any]) -> None:
    assert seen["unplugged"] == []
    assert seen["renamed"]
