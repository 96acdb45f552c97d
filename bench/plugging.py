"""Disks and cards of a running guest, beside xl's: how soon they come and go, and what a disk carries."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.figures import Figure, against_xl
from bench.hosts import NAME, in_dom0, in_guest, running, seconds, start_small_guest
from domus.client import Client
from domus.lab.host import LabHost
from domus.model.config import Disk, Nic
from domus.model.operation import Operation

#: seconds that a guest is given to take note of a device that came or went
SETTLING_S = 2.0


def plugging(runs: int) -> list[Figure]:
    """Ours and xl's in turns, of one guest."""
    with running(NAME) as (host,), host.client() as client:
        start_small_guest(host, client, "bench")
        return [*_attached(host, client, runs), _written(host, client, runs)]


def _attached(host: LabHost, client: Client, runs: int) -> list[Figure]:
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
                ours.append(seconds(client.finish(begin())))
                time.sleep(SETTLING_S)
            for _, _, words in (attach, detach):
                theirs.append(in_dom0(host, *words))
                time.sleep(SETTLING_S)
            for what, mine, other in zip((attach[0], detach[0]), ours, theirs, strict=True):
                taken[what].append((mine, other))
    return [against_xl(what, measured, 0.25) for what, measured in taken.items()]


def _written(host: LabHost, client: Client, runs: int) -> Figure:
    """How long the guest writes 48 MiB to a file's disk that we attached, against one that xl attached."""
    host.run(["fallocate", "-l", "64M", "/root/wide.img"])
    there = "until [ -e /dev/xvdb ]; do sleep 0.1; done"
    words = "dd if=/dev/zero of=/dev/xvdb bs=1M count=48 conv=fsync"
    pairs = []
    for _ in range(runs + 1):
        client.finish(client.devices.attach_disk("bench", Disk(vdev="xvdb", target="/root/wide.img")))
        ours = in_guest(client, "bench", there, words)
        client.finish(client.devices.detach_disk("bench", "xvdb"))
        host.run(["xl", "block-attach", "bench", "/root/wide.img,raw,xvdb,w"])
        theirs = in_guest(client, "bench", there, words)
        host.run(["xl", "block-detach", "bench", "xvdb"])
        time.sleep(SETTLING_S)
        pairs.append((ours, theirs))
    return against_xl("a guest writes 48 MiB, against a disk of xl's", pairs, 1.0)
