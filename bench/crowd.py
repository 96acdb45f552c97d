"""A host with one paused domain and with sixty: what lists and the next creation cost, beside xl."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from bench.figures import Figure, median
from bench.hosts import in_dom0, running, seconds
from domus.client import Client
from domus.lab.host import LabHost
from domus.lab.record import Shape
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig

NAME = "crowd"
MANY = 60
#: a kernel that any lab host has, and that is small; it never runs
KERNEL = "/usr/lib/grub-xen/grub-x86_64-xen.bin"
MEMORY_MIB = 16
SHAPE = Shape(memory_mib=768 + 256 + 2 * MEMORY_MIB * MANY)

XL_CONFIG = f'name = "next"\nmemory = {MEMORY_MIB}\nkernel = "{KERNEL}"\n'

#: in dom0: milliseconds of one GET /v1/domains on an open connection, and of commands with their start
TIMER = """
import json, socket, subprocess, sys, time
line = socket.socket(socket.AF_UNIX)
line.connect("/run/domus/xend.sock")
def ask():
    begun = time.perf_counter()
    line.sendall(b"GET /v1/domains HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    head, _, body = line.recv(65536).partition(b"\\r\\n\\r\\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += line.recv(65536)
    taken = time.perf_counter() - begun
    json.loads(body)
    return taken
def run(*words):
    begun = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun
taken = {"api": [], "xm": [], "xl": []}
ask()
for _ in range(int(sys.argv[1])):
    taken["xl"].append(run("xl", "list"))
    taken["api"].append(min(ask() for _ in range(3)))
    taken["xm"].append(run("xm", "--host", "local", "list"))
print(json.dumps(taken))
"""


class Taken(NamedTuple):
    """Seconds, medians of paired runs."""

    api: float
    xm: float
    xl: float
    create: float
    xl_create: float


def crowd(runs: int) -> list[Figure]:
    """All figures of one host, with room for the crowd."""
    with running(NAME, shape=SHAPE) as (host,), host.client() as client:
        host.put(XL_CONFIG.encode(), "/root/next.xl")
        make(client, 0)
        few = measure(host, client, runs)
        for number in range(1, MANY):
            make(client, number)
        many = measure(host, client, runs)
    return figures(few, many, runs)


def make(client: Client, number: int) -> float:
    """One more paused domain; seconds that its creation took."""
    config = DomainConfig(name=f"crowd{number}", kernel=KERNEL, memory_mib=MEMORY_MIB)
    return seconds(client.finish(client.create(CreateRequest(config=config, paused=True))))


def measure(host: LabHost, client: Client, runs: int) -> Taken:
    """What things take with the domains that there are."""
    printed = host.run(["python3", "-c", TIMER, str(runs)], within=600).stdout
    lists: dict[str, list[float]] = json.loads(printed)
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(make(client, MANY))
        client.finish(client.destroy(f"crowd{MANY}"))
        theirs.append(in_dom0(host, "xl", "create", "-p", "/root/next.xl"))
        host.run(["xl", "destroy", "next"])
    api, xm, xl = (median(lists[each]) for each in ("api", "xm", "xl"))
    return Taken(api, xm, xl, median(ours), median(theirs))


def figures(few: Taken, many: Taken, runs: int) -> list[Figure]:
    """Ratios with one and with sixty, and their growth."""
    made = []
    rows: tuple[tuple[str, Callable[[Taken], float], Callable[[Taken], float], float], ...] = (
        ("list in the API, against xl list", lambda t: t.api, lambda t: t.xl, 0.1),
        ("xm list in domain 0, against xl list", lambda t: t.xm, lambda t: t.xl, 1.0),
        ("create, paused, against xl create -p", lambda t: t.create, lambda t: t.xl_create, 0.35),
    )
    for what, ours, theirs, aim in rows:
        for number, taken in ((1, few), (MANY, many)):
            detail = f"ours {ours(taken) * 1000:.1f} ms, xl {theirs(taken) * 1000:.1f} ms, {runs} pairs"
            made.append(Figure(f"{what}, {number} there", ours(taken) / theirs(taken), aim, "x", detail))
        growth = f"xl's own: {theirs(many) / theirs(few):.2f}"
        made.append(Figure(f"{what}: growth to {MANY}", ours(many) / ours(few), 1.2, "x", growth))
    return made
