"""`make bench`: what issue-level figures Domus reaches here. Prints a table, and JSON with --json."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from bench import crowd
from bench.figures import XM, Figure, median, spread, timed
from bench.images import building, cloning
from bench.languages import languages
from bench.saving import saving
from domus.client import Client
from domus.lab import guest
from domus.lab.host import LabHost
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig, GuestType, Nic
from domus.model.operation import Operation

NAME = "bench"

#: seconds that a guest is given to take note of a device that came or went
SETTLING_S = 2.0

#: times a command inside dom0, in seconds, without the way to it
TIMER = (
    "import subprocess,sys,time;t=time.monotonic();"
    "d=subprocess.run(sys.argv[1:],capture_output=True);"
    "print(time.monotonic()-t);sys.stderr.buffer.write(d.stderr);sys.exit(d.returncode)"
)


def main() -> None:
    """Measure all and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="paired runs per figure (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="domus-bench-") as folder:
        os.environ["DOMUS_LAB"] = folder
        host, large = LabHost(NAME), LabHost(crowd.NAME)
        try:
            figures = [
                starting(host, options.runs),
                *living(host, options.runs),
                *plugging(host, options.runs),
                *saving(host, options.runs, in_dom0=in_dom0, until_up=until_up),
            ]
            figures.append(listing(options.runs))
            figures += idling(host)
            figures += languages(options.runs)
            figures += [cloning(options.runs), building()]
            host.down()  # two hosts at once would measure each other
            large.up(crowd.SHAPE)
            figures += crowd.crowd(large, options.runs)
        finally:
            host.remove()
            large.remove()
    if options.json:
        print(json.dumps([figure._asdict() for figure in figures], indent=2))
        return
    for figure in figures:
        met = "met" if figure.value <= figure.aim else "MISSED"
        value = f"{figure.value:8.2f} {figure.unit:<4} aim {figure.aim:<6g}"
        print(f"{figure.what:<42} {value} {met:<7} {figure.detail}")


def starting(host: LabHost, runs: int) -> Figure:
    """`xm lab up` and the first `xm list`, both as commands."""
    xm("lab", "up", host.name)  # builds whatever is missing
    seconds = []
    for _ in range(runs):
        xm("lab", "rm", host.name)
        seconds.append(timed(lambda: up_and_list(host)))
    return Figure("lab up to the first answered xm list", median(seconds), 2.5, "s", spread(seconds))


def up_and_list(host: LabHost) -> None:
    """What the first figure times."""
    xm("lab", "up", host.name)
    xm("--host", f"lab:{host.name}", "list")


def living(host: LabHost, runs: int) -> list[Figure]:
    """Create (paused) and destroy of one PV and one HVM domain, ours and xl's in turns."""
    files = guest.make(Path(tempfile.mkdtemp(dir=os.environ["DOMUS_LAB"])))
    host.put((files / "kernel").read_bytes(), "/root/kernel")
    host.put((files / "initrd").read_bytes(), "/root/initrd")
    host.run(["truncate", "-s", "16M", "/root/disk.img"])
    client = host.client()
    config = DomainConfig(
        name="bench",
        memory_mib=128,
        kernel=client.put_blob(files / "kernel"),
        ramdisk=client.put_blob(files / "initrd"),
        cmdline="console=hvc0",
        disks=(Disk(vdev="xvda", target="/root/disk.img"),),
        nics=(Nic(bridge="xenbr0"),),
    )
    figures = lives(host, client, config, runs)
    figures += lives(host, client, replace(config, guest_type=GuestType.HVM), runs)
    client.close()
    return figures


def lives(host: LabHost, client: Client, config: DomainConfig, runs: int) -> list[Figure]:
    """As `living`, of this one."""
    kind = config.guest_type
    host.put(f'{XL_CONFIG}type = "{kind}"\n'.encode(), "/root/bench.xl")
    taken: dict[str, list[float]] = {"create": [], "xl create": [], "destroy": [], "xl destroy": []}
    for _ in range(runs + 1):
        for verb in ("create", "destroy"):
            if verb == "create":
                operation = client.create(CreateRequest(config=config, paused=True))
            else:
                operation = client.destroy("bench")
            done = client.finish(operation)
            assert done.ended is not None
            taken[verb].append(done.ended - done.started)
        taken["xl create"].append(in_dom0(host, "xl", "create", "-p", "/root/bench.xl"))
        taken["xl destroy"].append(in_dom0(host, "xl", "destroy", "bench"))
    figures = []
    for verb, words in (
        ("create", f"create of {kind}, paused, against xl create -p"),
        ("destroy", f"destroy of {kind}, against xl destroy"),
    ):
        ours, theirs = taken[verb][1:], taken[f"xl {verb}"][1:]  # the first of each warms up
        ratio = median([mine / other for mine, other in zip(ours, theirs, strict=True)])
        figures.append(
            Figure(
                words, ratio, 0.35, "x", f"ours {median(ours):.2f} s, xl {median(theirs):.2f} s, {runs} pairs"
            )
        )
    return figures


def throughput(host: LabHost, client: Client, runs: int) -> Figure:
    """How long a guest writes 48 MiB to a file's disk that we attached, against one that xl attached."""
    host.run(["fallocate", "-l", "64M", "/root/extra.img"])
    words = "dd if=/dev/zero of=/dev/xvdb bs=1M count=48 conv=fsync"
    ratios, speeds = [], []
    for number in range(runs + 1):
        client.finish(client.devices.attach_disk("bench", Disk(vdev="xvdb", target="/root/extra.img")))
        ours = seconds_in_guest(client, words)
        client.finish(client.devices.detach_disk("bench", "xvdb"))
        host.run(["xl", "block-attach", "bench", "/root/extra.img,raw,xvdb,w"])
        theirs = seconds_in_guest(client, words)
        host.run(["xl", "block-detach", "bench", "xvdb"])
        time.sleep(SETTLING_S)
        if number:  # the first warms up
            ratios.append(ours / theirs)
            speeds.append(48 / ours)
    detail = f"ours {median(speeds):.0f} MiB/s, {runs} pairs"
    return Figure("a guest writes 48 MiB, against a disk of xl's", median(ratios), 1.0, "x", detail)


def seconds_in_guest(client: Client, words: str) -> float:
    """How long a command takes that is typed into the guest's shell once its disk is there."""
    wait = "until [ -e /dev/xvdb ]; do sleep 0.1; done"
    with client.console("bench", scrollback=False) as console:
        console.send(
            f"{wait}; read a x </proc/uptime; {words} 2>/dev/null; read b x </proc/uptime\n".encode()
        )
        console.send(b"echo took:$a:$b:\n")
        seen = b""
        while not (found := re.search(rb"took:([0-9.]+):([0-9.]+):", seen)):
            seen += console.receive(1.0) or b""
    return float(found[2]) - float(found[1])


def plugging(host: LabHost, runs: int) -> list[Figure]:
    """Attach and detach of a disk and of a card of a running guest, ours and xl's in turns."""
    client = host.client()
    config = DomainConfig(
        name="bench",
        memory_mib=128,
        kernel="/root/kernel",
        ramdisk="/root/initrd",
        cmdline="console=hvc0 quiet",
    )
    client.finish(client.create(CreateRequest(config=config)))
    until_up(client, "bench")
    host.run(["truncate", "-s", "16M", "/root/extra.img"])
    devices, disk = client.devices, Disk(vdev="xvdb", target="/root/extra.img")
    pairs: tuple[tuple[str, Callable[[], Operation], tuple[str, ...]], ...] = (
        (
            "attach a disk, against xl block-attach",
            lambda: devices.attach_disk("bench", disk),
            ("xl", "block-attach", "bench", "/root/extra.img,raw,xvdb,w"),
        ),
        (
            "detach a disk, against xl block-detach",
            lambda: devices.detach_disk("bench", "xvdb"),
            ("xl", "block-detach", "bench", "xvdb"),
        ),
        (
            "attach a card, against xl network-attach",
            lambda: devices.attach_nic("bench", Nic(bridge="xenbr0", devid=0)),
            ("xl", "network-attach", "bench", "bridge=xenbr0"),
        ),
        (
            "detach a card, against xl network-detach",
            lambda: devices.detach_nic("bench", "0"),
            ("xl", "network-detach", "bench", "0"),
        ),
    )
    taken: dict[str, list[tuple[float, float]]] = {what: [] for what, _, _ in pairs}
    for _ in range(runs + 1):
        for attach, detach in (pairs[:2], pairs[2:]):
            ours, theirs = [], []
            for _, begin, _ in (attach, detach):
                done = client.finish(begin())
                ours.append((done.ended or 0.0) - done.started)
                time.sleep(SETTLING_S)
            for _, _, words in (attach, detach):
                theirs.append(in_dom0(host, *words))
                time.sleep(SETTLING_S)
            for what, mine, other in zip((attach[0], detach[0]), ours, theirs, strict=True):
                taken[what].append((mine, other))
    written = throughput(host, client, runs)
    client.finish(client.destroy("bench"))
    client.close()
    figures = [written]
    for what, seconds in taken.items():
        measured = seconds[1:]  # the first warms up
        ratio = median([mine / other for mine, other in measured])
        mine, other = (median([pair[side] for pair in measured]) for side in (0, 1))
        detail = f"ours {mine:.2f} s, xl {other:.2f} s, {runs} pairs"
        figures.append(Figure(what, ratio, 0.25, "x", detail))
    return figures


def until_up(client: Client, name: str) -> None:
    """Wait until the small guest says that it is up."""
    printed = b""
    while b"is up." not in printed:
        with client.console(name, write=False) as console:
            while b"is up." not in printed and (piece := console.receive(5.0)):
                printed += piece


def listing(runs: int) -> Figure:
    """`xm list` from the shell outside the host, against an interpreter that does nothing."""
    ours, theirs = [], []
    for _ in range(4 * runs):
        ours.append(timed(lambda: xm("--host", f"lab:{NAME}", "list")))
        theirs.append(timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)))
    ratio = median([mine / other for mine, other in zip(ours, theirs, strict=True)])
    detail = f"ours {median(ours) * 1000:.0f} ms, python {median(theirs) * 1000:.0f} ms, {4 * runs} pairs"
    return Figure("xm list, against python3 -c pass", ratio, 6, "x", detail)


def idling(host: LabHost, seconds: int = 30) -> list[Figure]:
    """xend's memory, its CPU time and its wake-ups while nothing happens."""
    time.sleep(3)
    before = idle_counters(host)
    time.sleep(seconds)
    after = idle_counters(host)
    wakes = after["voluntary"] - before["voluntary"]
    return [
        Figure("xend, idle: resident memory", after["rss_kib"] / 1024, 60, "MiB", ""),
        Figure("xend, idle: wake-ups", wakes, 0, "", f"in {seconds} s, all threads"),
        Figure("xend, idle: CPU", (after["ticks"] - before["ticks"]) * 10, 0, "ms", f"in {seconds} s"),
    ]


def idle_counters(host: LabHost) -> dict[str, int]:
    """Resident KiB, voluntary context switches of all threads, and CPU ticks of xend."""
    script = (
        "p=$(cat /run/domus/xend.pid); grep VmRSS /proc/$p/status | tr -dc '0-9 '; "
        "cat /proc/$p/task/*/status | awk '/^voluntary/ {n+=$2} END {print n}'; "
        "cut -d')' -f2 /proc/$p/stat | awk '{print $12+$13}'"
    )
    rss, voluntary, ticks = host.run(["sh", "-c", script]).stdout.split()[:3]
    return {"rss_kib": int(rss), "voluntary": int(voluntary), "ticks": int(ticks)}


def in_dom0(host: LabHost, *argv: str) -> float:
    """Seconds that a command took inside dom0."""
    return float(host.run(["python3", "-c", TIMER, *argv], within=120).stdout)


def xm(*words: str) -> None:
    """Run xm as a user does."""
    subprocess.run([XM, *words], check=True, stdout=subprocess.DEVNULL)


XL_CONFIG = """
name = "bench"
memory = 128
kernel = "/root/kernel"
ramdisk = "/root/initrd"
extra = "console=hvc0"
disk = ["/root/disk.img,raw,xvda,rw"]
vif = ["bridge=xenbr0"]
"""

if __name__ == "__main__":
    main()
