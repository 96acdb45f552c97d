"""Save and restore of a running guest, beside xl's of one that is the same: time, and size of the file."""

from __future__ import annotations

import time

from bench.figures import Figure, against_xl, median
from bench.hosts import KERNEL, NAME, RAMDISK, in_dom0, running, seconds, small_guest, until_up
from domus.client import Client
from domus.lab.host import LabHost
from domus.model.api import CreateRequest
from domus.model.config import Disk, DomainConfig, Nic

OURS, THEIRS = "bench-xm", "bench-xl"

#: seconds that a restored guest is given to settle before it is saved again
SETTLING_S = 3.0

XL_CONFIG = f"""
name = "{THEIRS}"
memory = 128
kernel = "/root/kernel"
ramdisk = "/root/initrd"
extra = "console=hvc0 quiet"
disk = ["/root/{THEIRS}.img,raw,xvda,rw"]
vif = ["bridge=xenbr0"]
"""


def saving(runs: int) -> list[Figure]:
    """Both guests run all the time; each is saved and restored in its turn."""
    with running(NAME) as (host,), host.client() as client:
        small_guest(host)
        for name in (OURS, THEIRS):
            host.run(["truncate", "-s", "16M", f"/root/{name}.img"])
        config = DomainConfig(
            name=OURS,
            memory_mib=128,
            kernel=KERNEL,
            ramdisk=RAMDISK,
            cmdline="console=hvc0 quiet",
            disks=(Disk(vdev="xvda", target=f"/root/{OURS}.img"),),
            nics=(Nic(bridge="xenbr0"),),
        )
        client.finish(client.create(CreateRequest(config=config)))
        host.put(XL_CONFIG.encode(), f"/root/{THEIRS}.xl")
        in_dom0(host, "xl", "create", "-e", f"/root/{THEIRS}.xl")
        for name in (OURS, THEIRS):
            until_up(client, name)
        return _saved(host, client, runs)


def _saved(host: LabHost, client: Client, runs: int) -> list[Figure]:
    files = {name: f"/root/{name}.save" for name in (OURS, THEIRS)}
    saves, restores, sizes = list[tuple[float, float]](), list[tuple[float, float]](), list[float]()
    for _ in range(runs + 1):
        time.sleep(SETTLING_S)
        ours = seconds(client.finish(client.saving.save(OURS, files[OURS])))
        saves.append((ours, in_dom0(host, "xl", "save", THEIRS, files[THEIRS])))
        told = host.run(["stat", "-c", "%s", files[OURS], files[THEIRS]]).stdout.split()
        sizes.append(int(told[0]) / int(told[1]))
        ours = seconds(client.finish(client.saving.restore(files[OURS])))
        restores.append((ours, in_dom0(host, "xl", "restore", "-e", files[THEIRS])))
    return [
        against_xl("save, against xl save", saves, 1.0),
        against_xl("restore, against xl restore", restores, 1.0),
        Figure("saved file's size, against xl save's", median(sizes), 0.5, "x", "128 MiB, small guest"),
    ]
