"""A host and its domains: up, created, listed, destroyed, and idle."""

from __future__ import annotations

import subprocess
import sys
import time

from msgspec.structs import replace

from bench.figures import Figure, against_xl, median, spread, timed
from bench.hosts import KERNEL, NAME, RAMDISK, in_dom0, running, seconds, small_guest, xm
from domus.client import Client
from domus.lab.host import LabHost
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig, GuestType, Nic

XL_CONFIG = """
name = "bench"
memory = 128
kernel = "/root/kernel"
ramdisk = "/root/initrd"
extra = "console=hvc0"
disk = ["/root/disk.img,raw,xvda,rw"]
vif = ["bridge=xenbr0"]
"""


def starting(runs: int) -> list[Figure]:
    """`xm lab up` and the first `xm list`, both as commands."""

    def up_and_list() -> None:
        xm("lab", "up", NAME)
        xm("--host", f"lab:{NAME}", "list")

    xm("lab", "up", NAME)  # builds whatever is missing
    taken = []
    for _ in range(runs):
        xm("lab", "rm", NAME)
        taken.append(timed(up_and_list))
    xm("lab", "rm", NAME)
    return [Figure("lab up to the first answered xm list", median(taken), 2.5, "s", spread(taken))]


def living(runs: int) -> list[Figure]:
    """Create (paused) and destroy of one PV and one HVM domain, ours and xl's in turns."""
    with running(NAME) as (host,), host.client() as client:
        small_guest(host)
        host.run(["truncate", "-s", "16M", "/root/disk.img"])
        config = DomainConfig(
            name="bench",
            memory_mib=128,
            kernel=KERNEL,
            ramdisk=RAMDISK,
            cmdline="console=hvc0",
            disks=(Disk(vdev="xvda", target="/root/disk.img"),),
            nics=(Nic(bridge="xenbr0"),),
        )
        configs = [replace(config, guest_type=kind) for kind in (GuestType.PV, GuestType.HVM)]
        return [each for config in configs for each in _lives(host, client, config, runs)]


def _lives(host: LabHost, client: Client, config: DomainConfig, runs: int) -> list[Figure]:
    kind = config.guest_type
    host.put(f'{XL_CONFIG}type = "{kind}"\n'.encode(), "/root/bench.xl")
    created, destroyed = list[tuple[float, float]](), list[tuple[float, float]]()
    for _ in range(runs + 1):
        ours = seconds(client.finish(client.create(CreateRequest(config=config, paused=True))))
        gone = seconds(client.finish(client.destroy("bench")))
        created.append((ours, in_dom0(host, "xl", "create", "-p", "/root/bench.xl")))
        destroyed.append((gone, in_dom0(host, "xl", "destroy", "bench")))
    return [
        against_xl(f"create of {kind}, paused, against xl create -p", created, 0.35),
        against_xl(f"destroy of {kind}, against xl destroy", destroyed, 0.35),
    ]


def listing(runs: int) -> list[Figure]:
    """`xm list` from the shell outside the host, against an interpreter that does nothing."""
    ours, theirs = [], []
    with running(NAME):
        for _ in range(4 * runs):
            ours.append(timed(lambda: xm("--host", f"lab:{NAME}", "list")))
            theirs.append(timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)))
    ratio = median([mine / other for mine, other in zip(ours, theirs, strict=True)])
    detail = f"ours {median(ours) * 1000:.0f} ms, python {median(theirs) * 1000:.0f} ms, {4 * runs} pairs"
    return [Figure("xm list, against python3 -c pass", ratio, 6, "x", detail)]


def idling(runs: int, during_s: int = 30) -> list[Figure]:
    """xend's memory, its CPU time and its wake-ups while nothing happens."""
    with running(NAME) as (host,):
        xm("--host", f"lab:{NAME}", "list")
        time.sleep(3)
        before = _counters(host)
        time.sleep(during_s)
        after = _counters(host)
    wakes = after["voluntary"] - before["voluntary"]
    return [
        Figure("xend, idle: resident memory", after["rss_kib"] / 1024, 60, "MiB", ""),
        Figure("xend, idle: wake-ups", wakes, 0, "", f"in {during_s} s, all threads"),
        Figure("xend, idle: CPU", (after["ticks"] - before["ticks"]) * 10, 0, "ms", f"in {during_s} s"),
    ]


def _counters(host: LabHost) -> dict[str, int]:
    """Resident KiB, voluntary context switches of all threads, and CPU ticks of xend."""
    script = (
        "p=$(cat /run/domus/xend.pid); grep VmRSS /proc/$p/status | tr -dc '0-9 '; "
        "cat /proc/$p/task/*/status | awk '/^voluntary/ {n+=$2} END {print n}'; "
        "cut -d')' -f2 /proc/$p/stat | awk '{print $12+$13}'"
    )
    rss, voluntary, ticks = host.run(["sh", "-c", script]).stdout.split()[:3]
    return {"rss_kib": int(rss), "voluntary": int(voluntary), "ticks": int(ticks)}
