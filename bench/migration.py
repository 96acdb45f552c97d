"""A guest that moves between two lab hosts, ours and xl's in turns: time, downtime, bytes.

xl has no transport of its own: it starts a command for that, usually ssh. Here it is a plain TCP connection,
which is the cheapest that it can have; ours is encrypted.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from bench.figures import Figure, median
from domus.client import Client
from domus.lab import guest, identity, record
from domus.lab.host import LabHost
from domus.model.api import CreateRequest
from domus.model.config import DomainConfig, Nic
from domus.model.errors import DomusError
from domus.model.migration import MigrateRequest, Partner

NAME = "bench"
ADDRESS = "10.77.0.100"
PORT = 7000

XL_CONFIG = f"""
name = "{NAME}"
memory = 256
kernel = "/root/kernel"
ramdisk = "/root/initrd"
extra = "console=hvc0 quiet ip={ADDRESS}::10.77.0.1:255.255.255.0:bench:eth0:off"
vif = ["bridge=xenbr0"]
"""

#: accepts one connection, which becomes xl's receiving end
RECEIVER = """
import socket, subprocess
with socket.create_server(("", PORT)) as server:
    connection, _ = server.accept()
    subprocess.run(["xl", "migrate-receive"], stdin=connection, stdout=connection)
"""

#: what xl starts in ssh's place: standard input and output are the connection; counts what it sends
SENDER = """
import os, socket, sys, threading
connection = socket.create_connection((sys.argv[1], PORT))
def back():
    while piece := connection.recv(1 << 16):
        os.write(1, piece)
threading.Thread(target=back, daemon=True).start()
sent = 0
while piece := os.read(0, 1 << 20):
    connection.sendall(piece)
    sent += len(piece)
    open("/root/sent", "w").write(str(sent))
"""

#: dots of `ping -D`: the moment of each reply
_REPLY = re.compile(r"^\[([0-9.]+)\] .*icmp_seq", re.MULTILINE)


def migrating(runs: int) -> list[Figure]:
    """The figures, as medians of ratios of pairs."""
    hosts = (LabHost("bench-a"), LabHost("bench-b"))
    try:
        for host in hosts:
            host.up()
        return _measured(hosts, runs)
    finally:
        for host in hosts:
            host.remove()


def _measured(hosts: tuple[LabHost, LabHost], runs: int) -> list[Figure]:
    files = guest.make(Path(tempfile.mkdtemp()))
    here, there = hosts
    for host in hosts:
        host.put((files / "kernel").read_bytes(), "/root/kernel")
        host.put((files / "initrd").read_bytes(), "/root/initrd")
        host.put(XL_CONFIG.encode(), "/root/bench.xl")
        host.put(RECEIVER.replace("PORT", str(PORT)).encode(), "/root/receiver.py")
        host.put(SENDER.replace("PORT", str(PORT)).encode(), "/root/sender.py")
    with here.client() as client, there.client() as other:
        for each in (client, other):
            for file in ("kernel", "initrd"):
                each.put_blob(files / file)
        ours, theirs = [], []
        for _ in range(runs):
            ours.append(_one(hosts, client, other, lambda: _by_xm(hosts, client, files)))
            theirs.append(_one(hosts, client, other, lambda: _by_xl(hosts)))
    figures = []
    for place, (what, aim, unit) in enumerate(
        (("total time", 0.9, "s"), ("downtime", 0.7, "s"), ("bytes sent", 0.5, "MiB"))
    ):
        pairs = [(our[place], their[place]) for our, their in zip(ours, theirs, strict=True)]
        ratio = median([our / their for our, their in pairs])
        our, their = (median([pair[side] for pair in pairs]) for side in (0, 1))
        detail = f"ours {our:.2f} {unit}, xl {their:.2f} {unit}, {runs} pairs"
        figures.append(Figure(f"migrate (PV, 256 MiB): {what}, against xl migrate", ratio, aim, "x", detail))
    return figures


def _one(
    hosts: tuple[LabHost, LabHost], client: Client, other: Client, move: Callable[[], float]
) -> tuple[float, float, float]:
    """Seconds that a move takes, and for which the guest does not answer; MiB that are sent."""
    here = hosts[0]
    here.run(["rm", "-f", "/root/sent"])
    try:
        sent = move()
        seconds = float(here.run(["cat", "/root/seconds"]).stdout)
        time.sleep(5)
        here.run(["sh", "-c", "kill -INT $(pidof ping); sleep 1"], check=False)
        moments = [float(moment) for moment in _REPLY.findall(here.run(["cat", "/root/ping"]).stdout)]
        gaps = [later - former for former, later in pairwise(moments)]
        return seconds, max(gaps), sent
    finally:
        for each in (client, other):
            with suppress(DomusError):  # it is on the other host
                each.finish(each.destroy(NAME))


def _pinged(here: LabHost) -> None:
    here.run(["sh", "-c", f"until ping -c 1 -W 2 {ADDRESS} >/dev/null; do :; done"], within=300)
    here.run(["sh", "-c", f"nohup ping -n -D -i 0.01 {ADDRESS} >/root/ping 2>/dev/null </dev/null &"])
    time.sleep(2)


def _by_xm(hosts: tuple[LabHost, LabHost], client: Client, files: Path) -> float:
    here, there = hosts
    config = DomainConfig(
        name=NAME,
        memory_mib=256,
        kernel=client.put_blob(files / "kernel"),
        ramdisk=client.put_blob(files / "initrd"),
        cmdline=f"console=hvc0 quiet ip={ADDRESS}::10.77.0.1:255.255.255.0:bench:eth0:off",
        nics=(Nic(bridge="xenbr0"),),
    )
    client.finish(client.create(CreateRequest(config=config)))
    _pinged(here)
    address = identity.address(record.read(there.name).number)
    partner = Partner(name=there.name, address=address, server_name=there.name)
    done = client.finish(client.migration.migrate(NAME, MigrateRequest(to=partner)))
    here.put(f"{(done.ended or 0) - done.started}".encode(), "/root/seconds")
    return client.migration.list()[-1].sent_bytes / (1 << 20)


def _by_xl(hosts: tuple[LabHost, LabHost]) -> float:
    here, there = hosts
    here.run(["xl", "create", "/root/bench.xl"], within=300)
    _pinged(here)
    there.run(["sh", "-c", "nohup python3 /root/receiver.py >/root/receiver.log 2>&1 </dev/null &"])
    time.sleep(2)
    address = identity.address(record.read(there.name).number)
    script = (
        "import subprocess,time;t=time.time();"
        f"subprocess.run(['xl','migrate','-s','python3 /root/sender.py','{NAME}','{address}'],check=True);"
        "open('/root/seconds','w').write(str(time.time()-t))"
    )
    here.run(["python3", "-c", script], within=600)
    return int(here.run(["cat", "/root/sent"]).stdout) / (1 << 20)
