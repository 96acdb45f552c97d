"""The door to iproute2: `ip` for devices, addresses and routes, `bridge` for ports; and to dom0's switches.

Names and addresses reach the programs as words behind a keyword (`dev`, `master`), after they were checked,
and never through a shell. (A netlink library takes four seconds to import on a small domain 0, `ip` 0.1 s.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from domus.model.errors import HostProblem, ProgramFailed
from domus.programs import arun

SYS_NET: Final = Path("/sys/class/net")
PROC_NET: Final = Path("/proc/sys/net")

# Seconds: `ip` takes 0.1 s on an emulated host; more means that the kernel hangs.
_WITHIN: Final = 20.0


async def ip(*words: str) -> None:
    """Run one command of `ip`.

    Raises:
        ProgramFailed: it failed; the hint is its command line.
    """
    await arun(["ip", *words], within=_WITHIN)


async def ip_all(commands: list[str]) -> None:
    """Run commands of `ip`, one after the other, in one process; the first that fails ends it.

    Raises:
        ProgramFailed: one failed.
    """
    text = "".join(f"{line}\n" for line in commands)
    done = await arun(["ip", "-batch", "-"], stdin=text, check=False, within=_WITHIN)
    if done.status:
        number = re.search(r"Command failed -:(\d+)", done.stderr)
        command = "-batch -" if number is None else commands[int(number[1]) - 1]
        said = (done.stderr.strip().splitlines() or ["no reason is told"])[0]
        raise ProgramFailed(f"ip failed: {said}", hint=f"run it by hand: ip {command}")


async def ip_tried(commands: list[str]) -> None:
    """Run commands of `ip` in one process, whichever of them fail: what they remove may be gone."""
    text = "".join(f"{line}\n" for line in commands)
    await arun(["ip", "-force", "-batch", "-"], stdin=text, check=False, within=_WITHIN)


async def ip_shown(*words: str) -> list[dict[str, Any]]:
    """What `ip` shows, from its JSON; empty when there is no such thing."""
    done = await arun(["ip", "-json", *words], check=False, within=_WITHIN)
    found: list[dict[str, Any]] = json.loads(done.stdout) if done.stdout.strip() and not done.status else []
    return [item for item in found if item]


async def set_ports(commands: Iterable[str]) -> None:
    """Run commands of `bridge`, one after the other, in one process; the first that fails ends it.

    Raises:
        ProgramFailed: one failed.
    """
    await arun(["bridge", "-batch", "-"], stdin="".join(f"{line}\n" for line in commands), within=_WITHIN)


def switch(path: str) -> str | None:
    """What a switch below /proc/sys/net says; None: this kernel, or this device, has none."""
    try:
        return (PROC_NET / path).read_text().strip()
    except OSError:
        return None


def set_switch(path: str, value: str, *, needed: bool = True) -> None:
    """Set a switch below /proc/sys/net, such as `ipv4/conf/vif3.0/proxy_arp`.

    Raises:
        HostProblem: it cannot be set, and is `needed`.
    """
    try:
        (PROC_NET / path).write_text(value)
    except OSError as error:
        # Absent: no IPv6 in this kernel, or the device is gone, which whoever comes next will say better.
        if needed or not isinstance(error, FileNotFoundError):
            raise HostProblem(f"/proc/sys/net/{path}: {error.strerror}") from error
